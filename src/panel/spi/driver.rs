//! The two controllers, and how their panels differ.

use super::bus::{Bus, BusError};
use crate::image::canvas::Canvas;
use crate::panel::rotation::Rotation;
use crate::panel::settings::Controller;
use embedded_graphics::pixelcolor::{Rgb565, Rgb888};
use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiDevice;
use mipidsi::models::{ILI9341Rgb565, Model, ST7789};
use mipidsi::options::{self, ColorInversion, ColorOrder, Orientation};
use mipidsi::{Builder, InitError, NoResetPin};
use std::fmt::Display;
use std::ops::Range;

/// Width and height of both controllers' memory.
pub(super) const MEMORY_PX: (u32, u32) = ILI9341_MEMORY_PX;
const ILI9341_MEMORY_PX: (u32, u32) = {
    let (width, height) = ILI9341Rgb565::FRAMEBUFFER_SIZE;
    (width as u32, height as u32)
};

type Opened<SPI, OUT, M> = mipidsi::Display<Bus<SPI, OUT>, M, NoResetPin>;

/// A panel that is on.
pub(super) enum Driver<SPI, OUT>
where
    SPI: SpiDevice<Error: Display>,
    OUT: OutputPin<Error: Display>,
{
    Ili9341(Opened<SPI, OUT, ILI9341Rgb565>),
    St7789(Opened<SPI, OUT, ST7789>),
}

impl<SPI, OUT> Driver<SPI, OUT>
where
    SPI: SpiDevice<Error: Display>,
    OUT: OutputPin<Error: Display>,
{
    /// Switches a panel on, its screen turned clockwise by `turned` on the controller's memory.
    pub(super) fn open(
        controller: Controller,
        bus: Bus<SPI, OUT>,
        turned: Rotation,
        delay: &mut impl DelayNs,
    ) -> Result<Self, BusError> {
        let orientation = Orientation::new().rotate(match turned {
            Rotation::None => options::Rotation::Deg0,
            Rotation::Quarter => options::Rotation::Deg90,
            Rotation::Half => options::Rotation::Deg180,
            Rotation::ThreeQuarters => options::Rotation::Deg270,
        });
        let opened = match controller {
            // The glass of these is mirrored and blue first: so does Linux's own driver for them
            // (drivers/gpu/drm/tiny/ili9341.c).
            Controller::Ili9341 => Builder::new(ILI9341Rgb565, bus)
                .color_order(ColorOrder::Bgr)
                .orientation(Orientation {
                    mirrored: true,
                    ..orientation
                })
                .init(delay)
                .map(Self::Ili9341),
            // The glass of these shows the opposite of what it is told, unless it is told that
            // (drivers/staging/fbtft/fb_st7789v.c, for IPS panels).
            Controller::St7789 => Builder::new(ST7789, bus)
                .invert_colors(ColorInversion::Inverted)
                .orientation(orientation)
                .init(delay)
                .map(Self::St7789),
        };
        opened.map_err(|error| match error {
            InitError::Interface(error) => error,
            InitError::ResetPin(never) => match never {},
            // The whole of the memory is used, over an interface that both have.
            InitError::InvalidConfiguration(error) => BusError::Spi(format!("{error:?}")),
        })
    }

    /// Sends rows of the screen.
    pub(super) fn send(&mut self, canvas: &Canvas, rows: &Range<u32>) -> Result<(), BusError> {
        // The memory's sides are 16-bit numbers.
        let last_x = (canvas.width_px() - 1) as u16;
        let (first_y, last_y) = (rows.start as u16, (rows.end - 1) as u16);
        let stride = canvas.stride();
        let bytes = &canvas.rgb()[rows.start as usize * stride..rows.end as usize * stride];
        let (pixels, _) = bytes.as_chunks::<3>();
        let colours = pixels
            .iter()
            .map(|[r, g, b]| Rgb565::from(Rgb888::new(*r, *g, *b)));
        match self {
            Self::Ili9341(display) => display.set_pixels(0, first_y, last_x, last_y, colours),
            Self::St7789(display) => display.set_pixels(0, first_y, last_x, last_y, colours),
        }
    }
}
