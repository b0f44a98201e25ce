use std::process::ExitCode;

fn main() -> ExitCode {
    glooistio::cli::main()
}
