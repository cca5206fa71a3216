//! Standard output and the messages of every command.

use anyhow::{Context, Result};
use std::io::{self, Stdout, Write};

/// Where a command writes its results. A reader that goes away early, such as `head`, has what it
/// wanted: what is written after that goes nowhere, and is no error.
pub struct Output<W> {
    writer: W,
    is_closed: bool,
}

impl Output<Stdout> {
    /// Standard output.
    pub fn standard() -> Self {
        Self::new(io::stdout())
    }
}

impl<W: Write> Output<W> {
    fn new(writer: W) -> Self {
        Self {
            writer,
            is_closed: false,
        }
    }

    /// Writes text at once, so that no reader of a pipe waits for the rest of a line.
    ///
    /// # Errors
    /// It cannot be written, for another reason than that nobody reads it.
    pub fn print(&mut self, text: &str) -> Result<()> {
        self.write_all(text.as_bytes())
            .and_then(|()| self.flush())
            .context("standard output cannot be written; check that its disk has room")
    }

    /// Whether the reader has gone away.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// `done` of an output whose reader may go away; then, what stands for it.
    fn unless_closed<T>(&mut self, done: io::Result<T>, instead: T) -> io::Result<T> {
        match done {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(instead)
            }
            done => done,
        }
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_closed {
            return Ok(bytes.len());
        }
        let written = self.writer.write(bytes);
        self.unless_closed(written, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_closed {
            return Ok(());
        }
        let flushed = self.writer.flush();
        self.unless_closed(flushed, ())
    }
}

/// Writes text to standard output, as [`Output::print`].
///
/// # Errors
/// As [`Output::print`].
pub fn print(text: &str) -> Result<()> {
    Output::standard().print(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails after the first byte.
    struct Failing(io::ErrorKind, usize);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1 == 1 {
                Ok(1)
            } else {
                Err(self.0.into())
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_goes_away_is_no_error_and_is_written_to_no_more() {
        let mut output = Output::new(Failing(io::ErrorKind::BrokenPipe, 0));
        assert!(!output.is_closed());
        output.print("two").unwrap();
        assert!(output.is_closed());
        output.print("more").unwrap();
        assert_eq!(output.writer.1, 2);
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let mut output = Output::new(Failing(io::ErrorKind::StorageFull, 0));
        let error = output.print("two").unwrap_err();
        assert!(error.to_string().contains("cannot be written"), "{error}");
        assert!(!output.is_closed());
    }
}
