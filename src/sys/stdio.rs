//! Whether stdout was open when the process started.

// The runtime of Rust opens `/dev/null` before `main` in the place of a stdout that is closed, and every write to that
// succeeds: a result that is lost would look like one that was written. Only what runs before the runtime can tell. The
// keyword is the macro's: it promises that the expression uses nothing of that runtime. It is one system call.
ctor_lite::ctor! {
    unsafe static STDOUT_WAS_CLOSED: bool =
        rustix::io::fcntl_getfd(rustix::stdio::stdout()).is_err();
}

/// Returns whether the process was started without a stdout, as by `>&-` in a shell.
pub fn stdout_was_closed() -> bool {
    *STDOUT_WAS_CLOSED
}
