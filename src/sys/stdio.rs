//! Records whether stdout was open when the process started.

// Before `main`, the runtime of Rust opens `/dev/null` in place of a closed stdout, and every write
// to it succeeds: a lost result would look like a written one. So the check must run before the
// runtime. The `unsafe` keyword belongs to the macro: it promises that the expression does not use
// the runtime. The expression is one system call.
ctor_lite::ctor! {
    unsafe static STDOUT_WAS_CLOSED: bool =
        rustix::io::fcntl_getfd(rustix::stdio::stdout()).is_err();
}

/// Returns true if the process was started without a stdout, for example by `>&-` in a shell.
pub fn stdout_was_closed() -> bool {
    *STDOUT_WAS_CLOSED
}
