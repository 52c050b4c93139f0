// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The system's error numbers as WASI's.

use rustix::io::Errno as System;
use wasm_aot_runtime::Errno;

/// WASI's number; what it has no number for is an input or output error.
pub(crate) fn error(errno: System) -> Errno {
    match errno {
        System::ACCESS => Errno::ACCES,
        System::AGAIN => Errno::AGAIN,
        System::BADF => Errno::BADF,
        System::BUSY => Errno::BUSY,
        System::CONNABORTED => Errno::CONNABORTED,
        System::CONNRESET => Errno::CONNRESET,
        System::DQUOT => Errno::DQUOT,
        System::EXIST => Errno::EXIST,
        System::FAULT => Errno::FAULT,
        System::FBIG => Errno::FBIG,
        System::ILSEQ => Errno::ILSEQ,
        System::INTR => Errno::INTR,
        System::INVAL => Errno::INVAL,
        System::IO => Errno::IO,
        System::ISDIR => Errno::ISDIR,
        System::LOOP => Errno::LOOP,
        System::MFILE => Errno::MFILE,
        System::MLINK => Errno::MLINK,
        System::NAMETOOLONG => Errno::NAMETOOLONG,
        System::NFILE => Errno::NFILE,
        System::NOBUFS => Errno::NOBUFS,
        System::NODEV => Errno::NODEV,
        System::NOENT => Errno::NOENT,
        System::NOMEM => Errno::NOMEM,
        System::NOSPC => Errno::NOSPC,
        System::NOSYS => Errno::NOSYS,
        System::NOTCONN => Errno::NOTCONN,
        System::NOTDIR => Errno::NOTDIR,
        System::NOTEMPTY => Errno::NOTEMPTY,
        System::NOTSOCK => Errno::NOTSOCK,
        System::NXIO => Errno::NXIO,
        System::OVERFLOW => Errno::OVERFLOW,
        System::PERM => Errno::PERM,
        System::PIPE => Errno::PIPE,
        System::RANGE => Errno::RANGE,
        System::ROFS => Errno::ROFS,
        System::SPIPE => Errno::SPIPE,
        System::TIMEDOUT => Errno::TIMEDOUT,
        System::TXTBSY => Errno::TXTBSY,
        System::XDEV => Errno::XDEV,
        System::OPNOTSUPP => Errno::NOTSUP,
        _ => Errno::IO,
    }
}
