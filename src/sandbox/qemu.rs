//! stub
use super::*;
/// s
#[derive(Debug)]
pub struct Qemu;
impl Engine for Qemu {
    fn name(&self) -> &'static str {
        "qemu"
    }
    fn available(&self) -> Result<(), Error> {
        Err(Error::environment("x", "y"))
    }
    fn has_module(&self, _: &Module) -> bool {
        false
    }
    fn boot(&self, _: &MachineSpec) -> Result<machine::Guest, Error> {
        Err(Error::environment("x", "y"))
    }
}
