//! The binary: it calls the library, which is the whole service. `service::program` says how it is used.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::program::main()
}
