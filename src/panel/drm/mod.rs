//! A display that the kernel drives (HDMI, DSI, and SPI panels with a driver in the kernel), over
//! DRM. The display may be missing at the start, and may be unplugged and plugged in again.

mod card;
mod placement;
#[cfg(test)]
mod tests;

use super::backlight::{BACKLIGHTS, BRIGHTNESS_STEPS, Backlight};
use super::rotation::Rotation;
use super::stale_rows::StaleRows;
use super::{Panel, PanelError};
use crate::image::canvas::Canvas;
use card::{Card, KernelCard, Showing};
use placement::{Area, Placement, choose_mode};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time between two looks whether a display has been plugged in or out.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// A flip that takes longer never comes: displays show sixty images a second, or thirty.
const MAX_FLIP: Duration = Duration::from_secs(1);
/// Buffers of a display that is flipped.
const BUFFERS: usize = 2;

/// A display over DRM, which shows the screen enlarged by a whole factor.
pub struct DrmPanel {
    scanout: Scanout<KernelCard>,
    light: Option<Backlight>,
}

impl DrmPanel {
    /// Takes the displays of a card for images of a size. Without a path such as
    /// `/dev/dri/card0`, the first card with a connected display is taken; without a connector
    /// such as `HDMI-A-1`, the first connected display.
    ///
    /// # Errors
    /// No card, no right to use it, or another program's hold on it. A display that is not
    /// connected is none: it is taken when it appears.
    pub fn open(
        path: Option<&Path>,
        connector: Option<&str>,
        rotation: Rotation,
        image_px: (u32, u32),
    ) -> Result<Self, PanelError> {
        let paths = path.map_or_else(card::cards, |path| vec![path.to_owned()]);
        let (path, card) = choose_card(&paths, connector)?;
        let request = ModeRequest {
            connector: connector.map(str::to_owned),
            rotation,
            image_px,
        };
        let name = format!("drm:{}", path.display());
        let open = Box::new(move || KernelCard::open(&path));
        Ok(Self {
            scanout: Scanout::new(name, request, card, open),
            light: Backlight::find(Path::new(BACKLIGHTS)),
        })
    }
}

/// Width and height, as the screen is read, of the mode in which the display of a card would show
/// images of this size or larger; `None` where there is none. As for [`DrmPanel::open`].
pub fn display_px(
    path: Option<&Path>,
    connector: Option<&str>,
    rotation: Rotation,
    image_px: (u32, u32),
) -> Option<(u32, u32)> {
    let paths = path.map_or_else(card::cards, |path| vec![path.to_owned()]);
    let (_, mut card) = choose_card(&paths, connector).ok()?;
    shown_px(&mut card, connector, rotation, image_px)
}

fn shown_px(
    card: &mut impl Card,
    connector: Option<&str>,
    rotation: Rotation,
    image_px: (u32, u32),
) -> Option<(u32, u32)> {
    let display = card.find(connector).ok()??;
    let chosen = choose_mode(&display.modes, image_px, rotation)?;
    // Turning back changes the sides as turning does.
    Some(rotation.turned_size(display.modes[chosen].size_px))
}

/// The first card with a display, or else the first that could have one.
fn choose_card(
    paths: &[PathBuf],
    connector: Option<&str>,
) -> Result<(PathBuf, KernelCard), PanelError> {
    let mut without_display = None;
    let mut reasons = Vec::new();
    for path in paths {
        match KernelCard::open(path) {
            Ok(mut card) => {
                let has_display = matches!(card.find(connector), Ok(Some(_)));
                let opened = (path.clone(), card);
                if has_display {
                    return Ok(opened);
                }
                without_display.get_or_insert(opened);
            }
            Err(error) => reasons.push(format!("{}: {error}", path.display())),
        }
    }
    without_display.ok_or_else(|| PanelError::CannotOpen {
        panel: "drm".to_owned(),
        reason: if reasons.is_empty() {
            "there is no card in /dev/dri; does the kernel have a driver for the display?"
                .to_owned()
        } else {
            reasons.join("; ")
        },
    })
}

impl Panel for DrmPanel {
    fn size(&self) -> (u32, u32) {
        self.scanout.request.image_px
    }

    fn kind(&self) -> Option<&'static str> {
        Some("drm")
    }

    fn device(&self) -> Option<String> {
        Some(self.scanout.describe())
    }

    fn brightness_steps(&self) -> &'static [u8] {
        match self.light {
            Some(_) => BRIGHTNESS_STEPS,
            None => &[],
        }
    }

    fn set_brightness(&mut self, percent: u8) -> Result<(), PanelError> {
        let set = match &self.light {
            Some(light) => light.set(percent),
            None => Err(format!(
                "there is no light in {BACKLIGHTS}; set it at the display"
            )),
        };
        set.map_err(|reason| PanelError::Brightness {
            panel: self.scanout.name.clone(),
            reason,
        })
    }

    fn present(&mut self, canvas: &Canvas, changed_rows: &[Range<u32>]) -> Result<(), PanelError> {
        self.scanout.present(Instant::now(), canvas, changed_rows)
    }
}

/// What is shown, and where.
#[derive(Debug, Clone)]
struct ModeRequest {
    connector: Option<String>,
    rotation: Rotation,
    image_px: (u32, u32),
}

/// A display that is lit.
struct LitDisplay {
    /// Its connector and mode.
    name: String,
    placement: Placement,
    showing: Showing,
    /// The buffer that is on the display, or will be when the flip has happened.
    front: usize,
    flipping_since: Option<Instant>,
    /// Rows of the image that each buffer does not hold yet.
    stale: [StaleRows; BUFFERS],
}

/// An image on its way to a display, whatever becomes of the display.
struct Scanout<C> {
    name: String,
    request: ModeRequest,
    open: Box<dyn FnMut() -> io::Result<C> + Send>,
    /// None while it cannot be opened.
    card: Option<C>,
    lit: Option<LitDisplay>,
    /// Why nothing is lit.
    reason: String,
    /// None before the first poll.
    next_poll: Option<Instant>,
    areas: Vec<Area>,
    line: Vec<u8>,
}

impl<C: Card> Scanout<C> {
    fn new(
        name: String,
        request: ModeRequest,
        card: C,
        open: Box<dyn FnMut() -> io::Result<C> + Send>,
    ) -> Self {
        Self {
            name,
            areas: Vec::with_capacity(request.image_px.1 as usize / 2 + 1),
            request,
            open,
            card: Some(card),
            lit: None,
            reason: String::new(),
            next_poll: None,
            line: Vec::new(),
        }
    }

    fn describe(&self) -> String {
        match &self.lit {
            None => self.name.clone(),
            Some(lit) => format!("{}, {}", self.name, lit.name),
        }
    }

    fn present(
        &mut self,
        now: Instant,
        canvas: &Canvas,
        changed_rows: &[Range<u32>],
    ) -> Result<(), PanelError> {
        if self.next_poll.is_none_or(|next_poll| now >= next_poll) {
            self.next_poll = Some(now + POLL_INTERVAL);
            self.poll();
        }
        if let (Some(card), Some(lit)) = (&mut self.card, &mut self.lit) {
            lit.stale
                .iter_mut()
                .for_each(|stale| stale.mark(changed_rows));
            match lit.draw(now, card, canvas, &mut self.areas, &mut self.line) {
                Ok(()) => return Ok(()),
                Err(error) => self.give_up(error.to_string()),
            }
        }
        Err(PanelError::Unavailable {
            panel: self.name.clone(),
            reason: self.reason.clone(),
        })
    }

    /// Notices that the display has been unplugged or plugged in.
    fn poll(&mut self) {
        match (&mut self.card, &self.lit) {
            (Some(card), Some(lit)) => match card.is_connected() {
                Ok(true) => {}
                Ok(false) => {
                    self.reason = format!("{} was unplugged; plug it in again", lit.name);
                    card.darken();
                    self.lit = None;
                }
                Err(error) => self.give_up(error.to_string()),
            },
            _ => match self.light() {
                Ok(Ok(lit)) => self.lit = Some(lit),
                Ok(Err(reason)) => self.reason = reason,
                Err(error) => self.give_up(error.to_string()),
            },
        }
    }

    /// Lights the display, or says why there is none to light.
    fn light(&mut self) -> io::Result<Result<LitDisplay, String>> {
        if self.card.is_none() {
            self.card = Some((self.open)()?);
        }
        let Some(card) = &mut self.card else {
            return Ok(Err("cannot be opened".to_owned()));
        };
        let request = &self.request;
        let Some(display) = card.find(request.connector.as_deref())? else {
            let connector = request.connector.as_deref();
            let place = connector.map_or(String::new(), |name| format!(" at {name}"));
            return Ok(Err(format!(
                "has no display{place}; check the display's power and cable"
            )));
        };
        let (width_px, height_px) = request.rotation.turned_size(request.image_px);
        let chosen = choose_mode(&display.modes, request.image_px, request.rotation);
        let placed = chosen.and_then(|chosen| {
            let display_px = display.modes[chosen].size_px;
            let placement = Placement::new(request.image_px, request.rotation, display_px)?;
            Some((chosen, display_px, placement))
        });
        let Some((chosen, display_px, placement)) = placed else {
            return Ok(Err(format!(
                "shows nothing, since the display at {} is smaller than the screen of \
                 {width_px}x{height_px}; choose a smaller screen with --size, or another display",
                display.connector
            )));
        };
        let showing = card.light(chosen)?;
        let stale = StaleRows::all(request.image_px.1);
        Ok(Ok(LitDisplay {
            name: format!(
                "{} with {}x{}, each pixel {} wide",
                display.connector, display_px.0, display_px.1, placement.factor
            ),
            placement,
            showing,
            front: 0,
            flipping_since: None,
            stale: [stale.clone(), stale],
        }))
    }

    /// Closes the card after an error; the next look opens it anew.
    fn give_up(&mut self, reason: String) {
        self.reason = reason;
        self.lit = None;
        self.card = None;
    }
}

impl LitDisplay {
    /// Brings the image to the display, unless it has not shown the one before yet: then the
    /// next call does.
    fn draw(
        &mut self,
        now: Instant,
        card: &mut impl Card,
        canvas: &Canvas,
        areas: &mut Vec<Area>,
        line: &mut Vec<u8>,
    ) -> io::Result<()> {
        if let Some(since) = self.flipping_since {
            if card.has_flipped()? {
                self.flipping_since = None;
            } else if now.saturating_duration_since(since) < MAX_FLIP {
                return Ok(());
            } else {
                self.flipping_since = None;
                self.showing = Showing::InPlace;
            }
        }
        if self.showing == Showing::Flipped {
            let back = 1 - self.front;
            if !self.write(back, card, canvas, areas, line)? {
                return Ok(());
            }
            match card.flip(back) {
                Ok(()) => {
                    self.stale[back].clear();
                    self.front = back;
                    self.flipping_since = Some(now);
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::ResourceBusy => return Ok(()),
                Err(error) if is_unable(&error) => self.showing = Showing::InPlace,
                Err(error) => return Err(error),
            }
        }
        if self.write(self.front, card, canvas, areas, line)? {
            if self.showing == Showing::Copied {
                card.copy(areas)?;
            }
            self.stale[self.front].clear();
        }
        Ok(())
    }

    /// Writes the rows that a buffer lacks and leaves their areas behind; tells whether there
    /// were any.
    fn write(
        &self,
        buffer: usize,
        card: &mut impl Card,
        canvas: &Canvas,
        areas: &mut Vec<Area>,
        line: &mut Vec<u8>,
    ) -> io::Result<bool> {
        let stale = &self.stale[buffer];
        if stale.is_empty() {
            return Ok(false);
        }
        areas.clear();
        card.write(buffer, &mut |memory, pitch| {
            for rows in stale.runs() {
                self.placement.write(canvas, &rows, memory, pitch, line);
                areas.push(self.placement.area(&rows));
            }
        })?;
        Ok(true)
    }
}

/// Whether a driver cannot flip at all.
fn is_unable(error: &io::Error) -> bool {
    let unable = [libc::ENOSYS, libc::EINVAL, libc::EOPNOTSUPP];
    error
        .raw_os_error()
        .is_some_and(|code| unable.contains(&code))
}
