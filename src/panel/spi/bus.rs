//! The wires of a panel as mipidsi wants them: commands and pixels over SPI, with a line that
//! tells which is which.

use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiDevice;
use mipidsi::interface::{Interface, InterfaceKind};
use std::fmt::Display;
use thiserror::Error;

/// The most bytes of a transfer: spidev's limit where the kernel was not told otherwise (its
/// parameter `bufsiz`).
pub(super) const MAX_TRANSFER_BYTES: usize = 4096;

/// A wire that failed.
#[derive(Debug, Error)]
pub(super) enum BusError {
    #[error("the SPI bus failed ({0})")]
    Spi(String),
    #[error("the line for data and commands failed ({0})")]
    DataCommand(String),
}

/// A SPI bus with its line for data and commands. Pixels are sent in transfers that spidev takes.
pub(super) struct Bus<SPI, OUT> {
    spi: SPI,
    data_command: OUT,
    buffer: Vec<u8>,
}

impl<SPI, OUT> Bus<SPI, OUT>
where
    SPI: SpiDevice<Error: Display>,
    OUT: OutputPin<Error: Display>,
{
    pub(super) fn new(spi: SPI, data_command: OUT) -> Self {
        Self {
            spi,
            data_command,
            buffer: Vec::with_capacity(MAX_TRANSFER_BYTES),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), BusError> {
        for bytes in bytes.chunks(MAX_TRANSFER_BYTES) {
            let sent = self.spi.write(bytes);
            sent.map_err(|error| BusError::Spi(error.to_string()))?;
        }
        Ok(())
    }

    fn send_buffer(&mut self) -> Result<(), BusError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let sent = self.spi.write(&self.buffer);
        self.buffer.clear();
        sent.map_err(|error| BusError::Spi(error.to_string()))
    }
}

impl<SPI, OUT> Interface for Bus<SPI, OUT>
where
    SPI: SpiDevice<Error: Display>,
    OUT: OutputPin<Error: Display>,
{
    type Word = u8;
    type Error = BusError;

    const KIND: InterfaceKind = InterfaceKind::Serial4Line;

    fn send_command(&mut self, command: u8, arguments: &[u8]) -> Result<(), BusError> {
        let failed = |error: OUT::Error| BusError::DataCommand(error.to_string());
        self.data_command.set_low().map_err(failed)?;
        self.send(&[command])?;
        self.data_command.set_high().map_err(failed)?;
        self.send(arguments)
    }

    fn send_pixels<const N: usize>(
        &mut self,
        pixels: impl IntoIterator<Item = [u8; N]>,
    ) -> Result<(), BusError> {
        self.buffer.clear();
        for pixel in pixels {
            if self.buffer.len() + N > MAX_TRANSFER_BYTES {
                self.send_buffer()?;
            }
            self.buffer.extend(pixel);
        }
        self.send_buffer()
    }

    fn send_repeated_pixel<const N: usize>(
        &mut self,
        pixel: [u8; N],
        count: u32,
    ) -> Result<(), BusError> {
        self.send_pixels((0..count).map(|_| pixel))
    }
}
