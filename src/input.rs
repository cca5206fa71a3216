//! What the operator does with keys, where the program runs in a terminal.

use crossterm::event::{self, Event, KeyCode, KeyModifiers};
use crossterm::terminal;
use std::io::{self, IsTerminal};
use std::time::Duration;

/// Keys looked at in one go at most, so that a stuck key cannot hold the loop.
const MAX_KEYS_AT_ONCE: usize = 64;

/// Listens for keys while it lives; does nothing where no terminal is attached.
#[derive(Debug)]
pub struct OperatorKeys {
    is_listening: bool,
}

impl OperatorKeys {
    /// Starts to listen: keys arrive one by one, without Enter.
    ///
    /// # Errors
    /// The terminal does not change its mode.
    pub fn start() -> io::Result<Self> {
        let is_listening = io::stdin().is_terminal() && io::stdout().is_terminal();
        if is_listening {
            terminal::enable_raw_mode()?;
        }
        Ok(Self { is_listening })
    }

    /// Whether the operator has asked to stop: q, Esc or Ctrl-C.
    pub fn wants_to_stop(&self) -> bool {
        self.is_listening && (0..MAX_KEYS_AT_ONCE).map_while(|_| next_key()).any(is_stop)
    }
}

impl Drop for OperatorKeys {
    fn drop(&mut self) {
        if self.is_listening {
            // Nothing more can be done for a terminal that is gone.
            let _ = terminal::disable_raw_mode();
        }
    }
}

/// The next event that is already there.
fn next_key() -> Option<Event> {
    if event::poll(Duration::ZERO).unwrap_or(false) {
        return event::read().ok();
    }
    None
}

fn is_stop(event: Event) -> bool {
    let Event::Key(key) = event else {
        return false;
    };
    match key.code {
        KeyCode::Esc | KeyCode::Char('q') => true,
        KeyCode::Char('c') => key.modifiers.contains(KeyModifiers::CONTROL),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossterm::event::KeyEvent;

    #[test]
    fn q_escape_and_control_c_stop() {
        let none = KeyModifiers::NONE;
        let cases = [
            (KeyCode::Char('q'), none, true),
            (KeyCode::Esc, none, true),
            (KeyCode::Char('c'), KeyModifiers::CONTROL, true),
            (KeyCode::Char('c'), none, false),
            (KeyCode::Enter, none, false),
        ];
        for (code, modifiers, stops) in cases {
            let event = Event::Key(KeyEvent::new(code, modifiers));
            assert_eq!(is_stop(event), stops, "{code:?} {modifiers:?}");
        }
    }
}
