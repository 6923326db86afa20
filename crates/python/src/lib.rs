//! `tracee._core`: the thin face that Python sees. Conversions only; what they convert is in `tracee-core` and
//! `tracee-kernel`. The types are told to Python's checkers by `src/tracee/_core.pyi`.

mod catalogue;
mod containers;
mod detections;
mod event;
mod facts;
mod outputs;
mod process;
mod statistics;
mod tracer;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    #[pymodule_export]
    use super::catalogue::{call_numbers, categories, events, nearest, Arg, EventKind};
    #[pymodule_export]
    use super::detections::declare;
    #[pymodule_export]
    use super::event::{unescape, Event};
    #[pymodule_export]
    use super::facts::{capabilities, facts, give_up_privileges};
    #[pymodule_export]
    use super::outputs::check_template;
    #[pymodule_export]
    use super::process::Process;
    #[pymodule_export]
    use super::tracer::{check, KernelError, Tracer};

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("ATTACH", tracee_kernel::Allowed::WORDS)?;
        module.add("SCOPE_FLAGS", tracee_core::scope::FLAG_KEYS)?;
        let keys = tracee_core::scope::NUMBER_KEYS.into_iter().chain(tracee_core::scope::TEXT_KEYS);
        let of_containers = tracee_core::containers::conditions::words();
        module.add("SCOPE_KEYS", keys.chain(of_containers).collect::<Vec<_>>())
    }
}
