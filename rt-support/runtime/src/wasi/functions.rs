// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The functions of both dialects; included by `mod.rs` behind the macro that defines them.

functions! {
    "wasi_snapshot_preview1" preview1 {
        args_get(argv: u32, buffer: u32) => args_get(argv, buffer);
        args_sizes_get(count: u32, size: u32) => args_sizes_get(count, size);
        environ_get(environ: u32, buffer: u32) => environ_get(environ, buffer);
        environ_sizes_get(count: u32, size: u32) => environ_sizes_get(count, size);
        clock_res_get(clock: u32, result: u32) => clock_res_get(clock, result);
        clock_time_get(clock: u32, precision: u64, result: u32) => clock_time_get(clock, precision, result);
        fd_advise(fd: u32, offset: u64, length: u64, advice: u32) => fd_advise(fd, offset, length, advice);
        fd_allocate(fd: u32, offset: u64, length: u64) => fd_allocate(fd, offset, length);
        fd_close(fd: u32) => fd_close(fd);
        fd_datasync(fd: u32) => fd_sync(fd, true);
        fd_fdstat_get(fd: u32, result: u32) => fd_fdstat_get(fd, result);
        fd_fdstat_set_flags(fd: u32, flags: u32) => fd_fdstat_set_flags(fd, flags);
        fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64) => fd_fdstat_set_rights(fd, base, inheriting);
        fd_filestat_get(fd: u32, result: u32) => fd_filestat_get(Dialect::Preview1, fd, result);
        fd_filestat_set_size(fd: u32, size: u64) => fd_filestat_set_size(fd, size);
        fd_filestat_set_times(fd: u32, accessed: u64, modified: u64, flags: u32) => fd_filestat_set_times(fd, accessed, modified, flags);
        fd_pread(fd: u32, iovs: u32, count: u32, offset: u64, result: u32) => fd_read(fd, iovs, count, Some(offset), result);
        fd_prestat_get(fd: u32, result: u32) => fd_prestat_get(fd, result);
        fd_prestat_dir_name(fd: u32, path: u32, length: u32) => fd_prestat_dir_name(fd, path, length);
        fd_pwrite(fd: u32, iovs: u32, count: u32, offset: u64, result: u32) => fd_write(fd, iovs, count, Some(offset), result);
        fd_read(fd: u32, iovs: u32, count: u32, result: u32) => fd_read(fd, iovs, count, None, result);
        fd_readdir(fd: u32, buffer: u32, length: u32, cookie: u64, result: u32) => fd_readdir(fd, buffer, length, cookie, result);
        fd_renumber(from: u32, to: u32) => fd_renumber(from, to);
        fd_seek(fd: u32, offset: u64, whence: u32, result: u32) => fd_seek(Dialect::Preview1, fd, offset, whence, result);
        fd_sync(fd: u32) => fd_sync(fd, false);
        fd_tell(fd: u32, result: u32) => fd_tell(fd, result);
        fd_write(fd: u32, iovs: u32, count: u32, result: u32) => fd_write(fd, iovs, count, None, result);
        path_create_directory(fd: u32, path: u32, length: u32) => path_create_directory(fd, (path, length));
        path_filestat_get(fd: u32, flags: u32, path: u32, length: u32, result: u32) => path_filestat_get(Dialect::Preview1, fd, flags, (path, length), result);
        path_filestat_set_times(fd: u32, lookup: u32, path: u32, length: u32, accessed: u64, modified: u64, flags: u32) => path_filestat_set_times(fd, lookup, (path, length), accessed, modified, flags);
        path_link(fd: u32, flags: u32, path: u32, length: u32, to_fd: u32, to: u32, to_length: u32) => path_link(fd, flags, (path, length), to_fd, (to, to_length));
        path_open(fd: u32, lookup: u32, path: u32, length: u32, oflags: u32, base: u64, inheriting: u64, flags: u32, result: u32) => path_open(fd, (path, length), &abi::Open { lookup, oflags, base, inheriting, flags }, result);
        path_readlink(fd: u32, path: u32, length: u32, buffer: u32, size: u32, result: u32) => path_readlink(fd, (path, length), (buffer, size), result);
        path_remove_directory(fd: u32, path: u32, length: u32) => path_remove_directory(fd, (path, length));
        path_rename(fd: u32, path: u32, length: u32, to_fd: u32, to: u32, to_length: u32) => path_rename(fd, (path, length), to_fd, (to, to_length));
        path_symlink(contents: u32, contents_length: u32, fd: u32, path: u32, length: u32) => path_symlink((contents, contents_length), fd, (path, length));
        path_unlink_file(fd: u32, path: u32, length: u32) => path_unlink_file(fd, (path, length));
        poll_oneoff(subscriptions: u32, events: u32, count: u32, result: u32) => poll_oneoff(Dialect::Preview1, subscriptions, events, count, result);
        proc_raise(signal: u32) => proc_raise(signal);
        sched_yield() => sched_yield();
        random_get(buffer: u32, length: u32) => random_get(buffer, length);
        sock_recv(fd: u32, iovs: u32, count: u32, flags: u32, received: u32, result: u32) => sock_recv(fd, (iovs, count), flags, received, result);
        sock_send(fd: u32, iovs: u32, count: u32, flags: u32, result: u32) => sock_send(fd, (iovs, count), flags, result);
        sock_shutdown(fd: u32, how: u32) => sock_shutdown(fd, how);
        sock_accept(fd: u32, flags: u32, result: u32) => sock_accept(fd, flags, result);
    }
    "wasi_unstable" unstable {
        args_get(argv: u32, buffer: u32) => args_get(argv, buffer);
        args_sizes_get(count: u32, size: u32) => args_sizes_get(count, size);
        environ_get(environ: u32, buffer: u32) => environ_get(environ, buffer);
        environ_sizes_get(count: u32, size: u32) => environ_sizes_get(count, size);
        clock_res_get(clock: u32, result: u32) => clock_res_get(clock, result);
        clock_time_get(clock: u32, precision: u64, result: u32) => clock_time_get(clock, precision, result);
        fd_advise(fd: u32, offset: u64, length: u64, advice: u32) => fd_advise(fd, offset, length, advice);
        fd_allocate(fd: u32, offset: u64, length: u64) => fd_allocate(fd, offset, length);
        fd_close(fd: u32) => fd_close(fd);
        fd_datasync(fd: u32) => fd_sync(fd, true);
        fd_fdstat_get(fd: u32, result: u32) => fd_fdstat_get(fd, result);
        fd_fdstat_set_flags(fd: u32, flags: u32) => fd_fdstat_set_flags(fd, flags);
        fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64) => fd_fdstat_set_rights(fd, base, inheriting);
        fd_filestat_get(fd: u32, result: u32) => fd_filestat_get(Dialect::Unstable, fd, result);
        fd_filestat_set_size(fd: u32, size: u64) => fd_filestat_set_size(fd, size);
        fd_filestat_set_times(fd: u32, accessed: u64, modified: u64, flags: u32) => fd_filestat_set_times(fd, accessed, modified, flags);
        fd_pread(fd: u32, iovs: u32, count: u32, offset: u64, result: u32) => fd_read(fd, iovs, count, Some(offset), result);
        fd_prestat_get(fd: u32, result: u32) => fd_prestat_get(fd, result);
        fd_prestat_dir_name(fd: u32, path: u32, length: u32) => fd_prestat_dir_name(fd, path, length);
        fd_pwrite(fd: u32, iovs: u32, count: u32, offset: u64, result: u32) => fd_write(fd, iovs, count, Some(offset), result);
        fd_read(fd: u32, iovs: u32, count: u32, result: u32) => fd_read(fd, iovs, count, None, result);
        fd_readdir(fd: u32, buffer: u32, length: u32, cookie: u64, result: u32) => fd_readdir(fd, buffer, length, cookie, result);
        fd_renumber(from: u32, to: u32) => fd_renumber(from, to);
        fd_seek(fd: u32, offset: u64, whence: u32, result: u32) => fd_seek(Dialect::Unstable, fd, offset, whence, result);
        fd_sync(fd: u32) => fd_sync(fd, false);
        fd_tell(fd: u32, result: u32) => fd_tell(fd, result);
        fd_write(fd: u32, iovs: u32, count: u32, result: u32) => fd_write(fd, iovs, count, None, result);
        path_create_directory(fd: u32, path: u32, length: u32) => path_create_directory(fd, (path, length));
        path_filestat_get(fd: u32, flags: u32, path: u32, length: u32, result: u32) => path_filestat_get(Dialect::Unstable, fd, flags, (path, length), result);
        path_filestat_set_times(fd: u32, lookup: u32, path: u32, length: u32, accessed: u64, modified: u64, flags: u32) => path_filestat_set_times(fd, lookup, (path, length), accessed, modified, flags);
        path_link(fd: u32, flags: u32, path: u32, length: u32, to_fd: u32, to: u32, to_length: u32) => path_link(fd, flags, (path, length), to_fd, (to, to_length));
        path_open(fd: u32, lookup: u32, path: u32, length: u32, oflags: u32, base: u64, inheriting: u64, flags: u32, result: u32) => path_open(fd, (path, length), &abi::Open { lookup, oflags, base, inheriting, flags }, result);
        path_readlink(fd: u32, path: u32, length: u32, buffer: u32, size: u32, result: u32) => path_readlink(fd, (path, length), (buffer, size), result);
        path_remove_directory(fd: u32, path: u32, length: u32) => path_remove_directory(fd, (path, length));
        path_rename(fd: u32, path: u32, length: u32, to_fd: u32, to: u32, to_length: u32) => path_rename(fd, (path, length), to_fd, (to, to_length));
        path_symlink(contents: u32, contents_length: u32, fd: u32, path: u32, length: u32) => path_symlink((contents, contents_length), fd, (path, length));
        path_unlink_file(fd: u32, path: u32, length: u32) => path_unlink_file(fd, (path, length));
        poll_oneoff(subscriptions: u32, events: u32, count: u32, result: u32) => poll_oneoff(Dialect::Unstable, subscriptions, events, count, result);
        proc_raise(signal: u32) => proc_raise(signal);
        sched_yield() => sched_yield();
        random_get(buffer: u32, length: u32) => random_get(buffer, length);
        sock_recv(fd: u32, iovs: u32, count: u32, flags: u32, received: u32, result: u32) => sock_recv(fd, (iovs, count), flags, received, result);
        sock_send(fd: u32, iovs: u32, count: u32, flags: u32, result: u32) => sock_send(fd, (iovs, count), flags, result);
        sock_shutdown(fd: u32, how: u32) => sock_shutdown(fd, how);
    }
}
