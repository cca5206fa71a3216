//! What the operator does with keys, where the program runs in a terminal.

use super::Action;
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
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

    /// The next action that was asked for, without waiting; other keys are passed over.
    pub fn next_action(&self) -> Option<Action> {
        if !self.is_listening {
            return None;
        }
        (0..MAX_KEYS_AT_ONCE)
            .map_while(|_| next_key())
            .find_map(|event| action_of(&event))
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

/// q, Esc and Ctrl-C stop, Enter finishes the smear or starts the next one, the space bar changes
/// the light. A terminal tells of no key that is held.
fn action_of(event: &Event) -> Option<Action> {
    let Event::Key(key) = event else {
        return None;
    };
    if key.kind == KeyEventKind::Release {
        return None;
    }
    match key.code {
        KeyCode::Esc | KeyCode::Char('q') => Some(Action::Stop),
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Action::Stop),
        KeyCode::Enter => Some(Action::Confirm),
        KeyCode::Char(' ') => Some(Action::StepBrightness),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossterm::event::KeyEvent;

    #[test]
    fn keys_of_a_terminal_become_actions() {
        let none = KeyModifiers::NONE;
        let stop = Some(Action::Stop);
        let cases = [
            (KeyCode::Char('q'), none, stop),
            (KeyCode::Esc, none, stop),
            (KeyCode::Char('c'), KeyModifiers::CONTROL, stop),
            (KeyCode::Char('c'), none, None),
            (KeyCode::Enter, none, Some(Action::Confirm)),
            (KeyCode::Char(' '), none, Some(Action::StepBrightness)),
            (KeyCode::Char('x'), none, None),
        ];
        for (code, modifiers, expected) in cases {
            let event = Event::Key(KeyEvent::new(code, modifiers));
            assert_eq!(action_of(&event), expected, "{code:?} {modifiers:?}");
        }
    }
}
