//! A small panel that this program drives itself over a SPI bus. Where the kernel has a driver for
//! the panel and the board's device tree can name it, the panel is better taken over DRM.
//!
//! A SPI panel never answers: one that is unplugged is not noticed, only a bus that fails is.

mod bus;
mod driver;
#[cfg(test)]
mod tests;

use super::rotation::Rotation;
use super::settings::{Controller, PanelSettings, SpiSettings};
use super::stale_rows::StaleRows;
use super::{Panel, PanelError};
use crate::image::canvas::Canvas;
use bus::Bus;
use driver::{Driver, MEMORY_PX};
use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiDevice;
use linux_embedded_hal::gpio_cdev::{Chip, LineRequestFlags};
use linux_embedded_hal::spidev::{Spidev, SpidevOptions};
use linux_embedded_hal::{CdevPin, Delay, SpidevDevice};
use std::fmt::Display;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Time from a failure of the bus to the first try to open it again; it doubles from try to try.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest time between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How long the reset line is pulled: 10 µs at least (ILI9341 datasheet 15.4).
const RESET_US: u32 = 20;
/// From the end of a reset until commands are taken again, whatever the panel was at: 120 ms
/// (ILI9341 datasheet 15.4).
const AFTER_RESET_US: u32 = 120_000;
/// The backlight's line is on or off.
const BRIGHTNESS_STEPS: &[u8] = &[100, 0];

/// A panel with an ILI9341 or ST7789 on a SPI bus.
pub struct SpiPanel(Wired<SpidevDevice, CdevPin, Delay>);

impl SpiPanel {
    /// Opens the bus and the lines, and switches the panel on.
    ///
    /// # Errors
    /// A board without such a panel, a screen of another size, or wires that cannot be opened.
    pub fn open(settings: &PanelSettings, image_px: (u32, u32)) -> Result<Self, PanelError> {
        let spi = settings.spi.clone().ok_or(PanelError::NoWiring)?;
        let rotation = settings.rotation_degrees.try_into()?;
        let name = format!("spi:{}", spi.device.display());
        let turned = turned_on_memory(&spi, rotation, image_px)
            .map_err(|reason| unavailable(&name, reason))?;
        let controller = spi.controller;
        let connect = Box::new(move || connect(&spi));
        let mut wired = Wired::new(name, (controller, turned), image_px, connect, Delay);
        match wired.switch_on() {
            Ok(()) => Ok(Self(wired)),
            Err(reason) => Err(unavailable(&wired.name, reason)),
        }
    }
}

fn unavailable(panel: &str, reason: String) -> PanelError {
    PanelError::CannotOpen {
        panel: panel.to_owned(),
        reason,
    }
}

/// How far the screen is turned on the controller's memory, which is higher than wide: a panel
/// that is described wider than high lies on its side.
fn turned_on_memory(
    spi: &SpiSettings,
    rotation: Rotation,
    image_px: (u32, u32),
) -> Result<Rotation, String> {
    let panel_px = (u32::from(spi.width_px), u32::from(spi.height_px));
    if rotation.turned_size(image_px) != panel_px {
        return Err(format!(
            "a screen of {}x{} turned by {} degrees does not fill a panel of {}x{}; correct \
             width_px, height_px and rotation_degrees, or choose another screen with --size",
            image_px.0,
            image_px.1,
            rotation.degrees(),
            panel_px.0,
            panel_px.1
        ));
    }
    let lying = Rotation::Quarter;
    if panel_px == MEMORY_PX {
        Ok(rotation)
    } else if panel_px == lying.turned_size(MEMORY_PX) {
        Ok(lying.and(rotation))
    } else {
        Err(format!(
            "its controller has {}x{} pixels, not {}x{}; correct width_px and height_px",
            MEMORY_PX.0, MEMORY_PX.1, panel_px.0, panel_px.1
        ))
    }
}

/// Opens what the settings name.
fn connect(spi: &SpiSettings) -> Result<Wires<SpidevDevice, CdevPin>, String> {
    let failed = |error: std::io::Error| {
        format!(
            "{} cannot be opened ({error}); switch SPI on for the board, check `device`, and run \
             as root or as a user in the group spi",
            spi.device.display()
        )
    };
    let mut device = Spidev::open(&spi.device).map_err(failed)?;
    let options = SpidevOptions::new()
        .bits_per_word(8)
        .max_speed_hz(spi.clock_hz)
        .build();
    device.configure(&options).map_err(failed)?;
    let line = |key: &str, number: u32, level: bool| {
        let opened = Chip::new(&spi.gpio_chip)
            .and_then(|mut chip| chip.get_line(number))
            .and_then(|line| line.request(LineRequestFlags::OUTPUT, u8::from(level), "hemoscope"))
            .and_then(CdevPin::new);
        opened.map_err(|error| {
            format!(
                "line {number} of {} cannot be driven ({error}); check `{key}` and `gpio_chip`, \
                 that no other program or driver holds the line, and run as root or as a user in \
                 the group gpio",
                spi.gpio_chip.display()
            )
        })
    };
    let optional = |key: &str, number: Option<u32>, level: bool| {
        number.map(|number| line(key, number, level)).transpose()
    };
    Ok(Wires {
        spi: SpidevDevice(device),
        data_command: line("data_command_line", spi.data_command_line, true)?,
        reset: optional("reset_line", spi.reset_line, true)?,
        backlight: optional("backlight_line", spi.backlight_line, false)?,
    })
}

impl Panel for SpiPanel {
    fn size(&self) -> (u32, u32) {
        self.0.image_px
    }

    fn kind(&self) -> Option<&'static str> {
        Some("spi")
    }

    fn device(&self) -> Option<String> {
        Some(format!("{} ({:?})", self.0.name, self.0.controller))
    }

    fn brightness_steps(&self) -> &'static [u8] {
        match self.0.is_dimmable() {
            true => BRIGHTNESS_STEPS,
            false => &[],
        }
    }

    fn set_brightness(&mut self, percent: u8) -> Result<(), PanelError> {
        self.0.set_brightness(percent)
    }

    fn present(&mut self, canvas: &Canvas, changed_rows: &[Range<u32>]) -> Result<(), PanelError> {
        self.0.present(Instant::now(), canvas, changed_rows)
    }
}

/// What a panel is connected with.
struct Wires<SPI, OUT> {
    spi: SPI,
    data_command: OUT,
    reset: Option<OUT>,
    backlight: Option<OUT>,
}

/// A panel that is on.
struct Lit<SPI, OUT>
where
    SPI: SpiDevice<Error: Display>,
    OUT: OutputPin<Error: Display>,
{
    driver: Driver<SPI, OUT>,
    /// Held, since a line that is let go may fall and reset the panel.
    _reset: Option<OUT>,
    backlight: Option<OUT>,
}

type Connect<SPI, OUT> = Box<dyn FnMut() -> Result<Wires<SPI, OUT>, String> + Send>;

/// An image on its way to a panel, whatever becomes of its bus.
struct Wired<SPI, OUT, D>
where
    SPI: SpiDevice<Error: Display>,
    OUT: OutputPin<Error: Display>,
{
    name: String,
    controller: Controller,
    turned: Rotation,
    image_px: (u32, u32),
    connect: Connect<SPI, OUT>,
    delay: D,
    lit: Option<Lit<SPI, OUT>>,
    stale: StaleRows,
    is_bright: bool,
    /// Why nothing is lit, when it is tried again, and how long to wait after that.
    reason: String,
    next_try: Option<Instant>,
    wait: Duration,
}

impl<SPI, OUT, D> Wired<SPI, OUT, D>
where
    SPI: SpiDevice<Error: Display>,
    OUT: OutputPin<Error: Display>,
    D: DelayNs,
{
    fn new(
        name: String,
        (controller, turned): (Controller, Rotation),
        image_px: (u32, u32),
        connect: Connect<SPI, OUT>,
        delay: D,
    ) -> Self {
        Self {
            name,
            controller,
            turned,
            image_px,
            connect,
            delay,
            lit: None,
            stale: StaleRows::all(image_px.1),
            is_bright: true,
            reason: String::new(),
            next_try: None,
            wait: FIRST_WAIT,
        }
    }

    /// Opens the wires and starts the panel.
    fn switch_on(&mut self) -> Result<(), String> {
        let mut wires = (self.connect)()?;
        if let Some(reset) = &mut wires.reset {
            let pulled = reset.set_low();
            self.delay.delay_us(RESET_US);
            let released = pulled.and_then(|()| reset.set_high());
            released.map_err(|error| format!("cannot be reset ({error}); check `reset_line`"))?;
            self.delay.delay_us(AFTER_RESET_US);
        }
        let bus = Bus::new(wires.spi, wires.data_command);
        let driver = Driver::open(self.controller, bus, self.turned, &mut self.delay)
            .map_err(|error| error.to_string())?;
        self.lit = Some(Lit {
            driver,
            _reset: wires.reset,
            backlight: wires.backlight,
        });
        self.stale.mark_all();
        Ok(())
    }

    fn present(
        &mut self,
        now: Instant,
        canvas: &Canvas,
        changed_rows: &[Range<u32>],
    ) -> Result<(), PanelError> {
        self.stale.mark(changed_rows);
        if self.lit.is_none()
            && self.next_try.is_none_or(|next_try| now >= next_try)
            && let Err(reason) = self.switch_on()
        {
            self.give_up(now, reason);
        }
        if let Some(lit) = &mut self.lit {
            match send(lit, canvas, &mut self.stale, self.is_bright) {
                Ok(()) => {
                    self.wait = FIRST_WAIT;
                    return Ok(());
                }
                Err(reason) => self.give_up(now, reason),
            }
        }
        Err(PanelError::Unavailable {
            panel: self.name.clone(),
            reason: format!("is dark: {}", self.reason),
        })
    }

    /// Lets go of the wires after a failure, for some time.
    fn give_up(&mut self, now: Instant, reason: String) {
        self.lit = None;
        self.reason = reason;
        self.next_try = Some(now + self.wait);
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
    }

    fn is_dimmable(&self) -> bool {
        self.lit.as_ref().is_some_and(|lit| lit.backlight.is_some())
    }

    fn set_brightness(&mut self, percent: u8) -> Result<(), PanelError> {
        if !self.is_dimmable() {
            return Err(PanelError::Brightness {
                panel: self.name.clone(),
                reason: "has no line for its backlight; name it as `backlight_line` where it is \
                         wired"
                    .to_owned(),
            });
        }
        self.is_bright = percent > 0;
        // Before the first image, the light stays off.
        let is_shown = self.stale.is_empty();
        let Some(lit) = self.lit.as_mut().filter(|_| is_shown) else {
            return Ok(());
        };
        set_light(lit, self.is_bright).map_err(|reason| PanelError::Brightness {
            panel: self.name.clone(),
            reason,
        })
    }
}

fn send<SPI, OUT>(
    lit: &mut Lit<SPI, OUT>,
    canvas: &Canvas,
    stale: &mut StaleRows,
    is_bright: bool,
) -> Result<(), String>
where
    SPI: SpiDevice<Error: Display>,
    OUT: OutputPin<Error: Display>,
{
    if stale.is_empty() {
        return Ok(());
    }
    for rows in stale.runs() {
        let sent = lit.driver.send(canvas, &rows);
        sent.map_err(|error| format!("{error}; check the panel's wires"))?;
    }
    stale.clear();
    set_light(lit, is_bright)
}

fn set_light<SPI, OUT>(lit: &mut Lit<SPI, OUT>, is_bright: bool) -> Result<(), String>
where
    SPI: SpiDevice<Error: Display>,
    OUT: OutputPin<Error: Display>,
{
    let Some(line) = &mut lit.backlight else {
        return Ok(());
    };
    let set = if is_bright {
        line.set_high()
    } else {
        line.set_low()
    };
    set.map_err(|error| format!("its backlight failed ({error}); check `backlight_line`"))
}

impl<SPI, OUT> Drop for Lit<SPI, OUT>
where
    SPI: SpiDevice<Error: Display>,
    OUT: OutputPin<Error: Display>,
{
    fn drop(&mut self) {
        // An old image must not look like a live one. A line that fails now stays as it is.
        if let Some(line) = &mut self.backlight {
            let _ = line.set_low();
        }
    }
}
