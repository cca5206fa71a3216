//! A wish to stop that comes from the system.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Raised once the system has asked the program to end (SIGTERM) or the user has (SIGINT). A
/// second signal ends it on the spot. By default one that no signal raises.
#[derive(Debug, Clone, Default)]
pub struct StopSignal(Arc<AtomicBool>);

impl StopSignal {
    /// Listens from now on.
    ///
    /// # Errors
    /// The system refuses.
    pub fn listen() -> io::Result<Self> {
        let raised = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // First the handler that looks at the flag, then the one that raises it.
            flag::register_conditional_shutdown(signal, 1, Arc::clone(&raised))?;
            flag::register(signal, Arc::clone(&raised))?;
        }
        Ok(Self(raised))
    }

    /// Whether it was asked to end.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_seen() {
        let stop = StopSignal::listen().unwrap();
        assert!(!stop.is_raised());
        signal_hook::low_level::raise(SIGTERM).unwrap();
        assert!(stop.is_raised());
    }
}
