// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A program that serves a connection, on the loopback interface: with a socket that the command
//! makes, and with one that the command has inherited.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};
use testsuite::case::app;
use testsuite::tools;

/// How long the server may take to be there.
const LIMIT: Duration = Duration::from_secs(60);

/// Held by a test from choosing a port to its end: the other one's could be the same.
static PORTS: Mutex<()> = Mutex::new(());

fn connect(port: u16, server: &mut Child) -> TcpStream {
    let begin = Instant::now();
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => return stream,
            Err(error) if begin.elapsed() > LIMIT => panic!("no server: {error}"),
            Err(_) => {
                assert!(server.try_wait().unwrap().is_none(), "the server has ended");
                sleep(Duration::from_millis(20));
            }
        }
    }
}

/// Sends and expects it back.
fn converse(mut stream: TcpStream) {
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let words = b"more than ten bytes, of which the server takes ten at a time";
    stream.write_all(words).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut back = Vec::new();
    stream.read_to_end(&mut back).unwrap();
    assert_eq!(back, words);
}

fn run() -> Command {
    let mut command = tools::wasm_aot().unwrap();
    command.arg("run").stdout(Stdio::piped());
    command
}

#[test]
fn the_command_listens() {
    let _ports = PORTS.lock();
    // Free a moment ago; if somebody else takes it meanwhile the command says so.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let mut server = run()
        .args(["--env", "A=1", "--tcplisten", &format!("127.0.0.1:{port}")])
        .arg(app("echo.wat"))
        .spawn()
        .unwrap();
    let stream = connect(port, &mut server);
    converse(stream);
    let output = server.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"A=1\0LISTEN_FDS=1\0");
}

#[test]
fn a_socket_is_inherited() {
    let _ports = PORTS.lock();
    // As a service manager does: the socket is descriptor 3, the variables say so.
    let script = "import os, socket, sys\n\
        s = socket.create_server(('127.0.0.1', 0))\n\
        print(s.getsockname()[1], flush=True)\n\
        os.dup2(s.fileno(), 3); os.set_inheritable(3, True)\n\
        os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\n\
        os.execv(sys.argv[1], sys.argv[1:])";
    let command = run();
    let mut server = Command::new("python3")
        .args(["-c", script])
        .arg(command.get_program())
        .args(["run", "--listenfd"])
        .arg(app("echo.wat"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(server.stdout.take().unwrap());
    let mut port = String::new();
    output.read_line(&mut port).unwrap();
    let stream = connect(port.trim().parse().unwrap(), &mut server);
    converse(stream);
    let mut rest = Vec::new();
    output.read_to_end(&mut rest).unwrap();
    assert_eq!(server.wait().unwrap().code(), Some(0));
    assert_eq!(rest, b"LISTEN_FDS=1\0");
}

#[test]
fn what_is_no_socket_is_refused() {
    let refused = |options: &[&str], variables: &[(&str, &str)], part: &str| {
        let mut command = run();
        command.args(options).arg(app("echo.wat"));
        command
            .envs(variables.iter().copied())
            .env_remove("LISTEN_PID");
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with("error: ") && said.contains(part), "{said}");
    };
    refused(&["--listenfd"], &[("LISTEN_FDS", "200")], "descriptor 3");
    refused(&["--listenfd"], &[("LISTEN_FDS", "many")], "many");
    refused(&["--tcplisten", "nowhere"], &[], "--tcplisten nowhere");
    refused(
        &["--on", "sel4", "--tcplisten", "127.0.0.1:0"],
        &[],
        "no sockets on seL4",
    );
    // Without a socket there is nothing to accept from; those of another process are not ours.
    for variables in [&[("LISTEN_FDS", "1"), ("LISTEN_PID", "1")][..], &[]] {
        let mut command = run();
        command.arg("--listenfd").arg(app("echo.wat"));
        let output = command.envs(variables.iter().copied()).output().unwrap();
        assert_eq!(output.status.code(), Some(6));
    }
}
