//! What the operator asks for, with buttons, keys or a touch, as one list of actions. Which
//! button asks for what is pure ([`Buttons`]); the terminal and the kernel's input devices are
//! the edges.

mod buttons;
#[cfg(target_os = "linux")]
mod devices;
mod settings;
mod terminal;

pub use buttons::{Buttons, KeyEvent};
#[cfg(target_os = "linux")]
pub use devices::InputDevices;
pub use settings::InputSettings;
pub use terminal::OperatorKeys;

use std::io;

/// Something that the operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Finish this smear; on its result, start the next one.
    Confirm,
    /// The next level of the screen's light.
    StepBrightness,
    /// The third button: no to what is asked on a board, the end of the program on a desk.
    Cancel,
    /// Switch the device off.
    ShutDown,
    /// End the program.
    Stop,
}

/// Everything that the operator can act with.
pub struct Input {
    keys: OperatorKeys,
    #[cfg(target_os = "linux")]
    devices: Option<InputDevices>,
}

impl Input {
    /// Listens to the terminal where there is one, and to the kernel's input devices where
    /// `devices` says which.
    ///
    /// # Errors
    /// The terminal does not change its mode.
    pub fn start(devices: Option<&InputSettings>) -> io::Result<Self> {
        Ok(Self {
            keys: OperatorKeys::start()?,
            #[cfg(target_os = "linux")]
            devices: devices.cloned().map(InputDevices::start),
        })
    }

    /// The next action that was asked for, without waiting.
    pub fn next_action(&mut self) -> Option<Action> {
        #[cfg(target_os = "linux")]
        if let Some(devices) = &self.devices {
            let of_terminal = || {
                self.keys
                    .next_action()
                    .filter(|action| *action == Action::Stop)
            };
            // On a console, a key comes by both ways.
            return devices.next_action().or_else(of_terminal);
        }
        self.keys.next_action()
    }
}
