//! A graphics device of the kernel: the only part of the panel that talks to it.

use super::placement::{Area, DisplayMode};
use drm::Device as _;
use drm::buffer::{Buffer as _, DrmFourcc};
use drm::control::dumbbuffer::DumbBuffer;
use drm::control::{ClipRect, Device as _, Event, Mode, ModeTypeFlags, PageFlipFlags};
use drm::control::{connector, crtc, framebuffer};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Bits of colour in a pixel.
const COLOUR_BITS: u32 = 24;
/// Bits of a pixel in memory.
const PIXEL_BITS: u32 = 32;
/// The most areas that the kernel takes at once (`DRM_MODE_FB_DIRTY_MAX_CLIPS`).
const MAX_CLIPS: usize = 256;

/// A display that is plugged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundDisplay {
    /// Its connector, such as `HDMI-A-1`.
    pub(super) connector: String,
    pub(super) modes: Vec<DisplayMode>,
}

/// How what was written becomes visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Showing {
    /// The driver copies the areas that it is told of, out of one buffer.
    Copied,
    /// The display reads memory all the time, so that one of two buffers is written while the
    /// other one is shown.
    Flipped,
    /// As before, but the driver cannot change buffers: the one that is shown is written.
    InPlace,
}

/// A device that displays can be plugged into. One of them is lit at a time.
pub(super) trait Card: Send {
    /// Looks for the display on a connector of this name, or else for the first one.
    ///
    /// # Errors
    /// The device has gone.
    fn find(&mut self, connector: Option<&str>) -> io::Result<Option<FoundDisplay>>;

    /// Lights the display that was found, black, in one of its modes.
    ///
    /// # Errors
    /// The device refuses.
    fn light(&mut self, mode: usize) -> io::Result<Showing>;

    /// Whether the display that is lit is still plugged in.
    ///
    /// # Errors
    /// The device has gone.
    fn is_connected(&mut self) -> io::Result<bool>;

    /// Hands out the memory of a buffer (0 or 1) and the distance of its rows in bytes.
    ///
    /// # Errors
    /// The memory cannot be reached.
    fn write(&mut self, buffer: usize, write: &mut dyn FnMut(&mut [u8], usize)) -> io::Result<()>;

    /// Has areas of the first buffer copied to the display.
    ///
    /// # Errors
    /// The device refuses.
    fn copy(&mut self, areas: &[Area]) -> io::Result<()>;

    /// Shows a buffer from the display's next image on.
    ///
    /// # Errors
    /// The device refuses.
    fn flip(&mut self, buffer: usize) -> io::Result<()>;

    /// Whether the last flip has happened, without waiting for it.
    ///
    /// # Errors
    /// The device has gone.
    fn has_flipped(&mut self) -> io::Result<bool>;

    /// Gives up what was lit.
    fn darken(&mut self);
}

/// The device's file.
struct Node(File);

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl drm::Device for Node {}
impl drm::control::Device for Node {}

/// Memory that a display can show.
struct ShownBuffer {
    memory: DumbBuffer,
    framebuffer: framebuffer::Handle,
}

/// What is lit.
struct Lit {
    connector: connector::Handle,
    crtc: crtc::Handle,
    buffers: Vec<ShownBuffer>,
}

/// A card such as `/dev/dri/card0`, whose displays belong to this program while it is open.
pub(super) struct KernelCard {
    node: Node,
    found: Option<connector::Info>,
    lit: Option<Lit>,
    clips: Vec<ClipRect>,
    is_flipping: bool,
}

impl KernelCard {
    /// Opens a card and takes its displays.
    ///
    /// # Errors
    /// No such card, no right to use it, or another program's hold on its displays.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // Flips are asked after, never waited for.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(path)
            .map_err(with_remedy)?;
        let node = Node(file);
        node.acquire_master_lock().map_err(|error| {
            let held = [Some(libc::EBUSY), Some(libc::EACCES), Some(libc::EPERM)];
            if held.contains(&error.raw_os_error()) {
                io::Error::new(
                    ErrorKind::ResourceBusy,
                    "another program holds its displays; end that program (a desktop, a splash \
                     screen, another hemoscope), or run hemoscope without it",
                )
            } else {
                error
            }
        })?;
        // A card that only computes has no displays to drive.
        node.resource_handles().map_err(|error| {
            io::Error::new(error.kind(), format!("it drives no display ({error})"))
        })?;
        Ok(Self {
            node,
            found: None,
            lit: None,
            clips: Vec::with_capacity(MAX_CLIPS),
            is_flipping: false,
        })
    }

    fn add_buffer(&self, size_px: (u32, u32)) -> io::Result<ShownBuffer> {
        let node = &self.node;
        let mut memory = node.create_dumb_buffer(size_px, DrmFourcc::Xrgb8888, PIXEL_BITS)?;
        let shown = node
            .map_dumb_buffer(&mut memory)
            .map(|mut bytes| bytes.fill(0))
            .and_then(|()| node.add_framebuffer(&memory, COLOUR_BITS, PIXEL_BITS));
        match shown {
            Ok(framebuffer) => Ok(ShownBuffer {
                memory,
                framebuffer,
            }),
            Err(error) => {
                // The first error is the one to report; the kernel frees the rest at the end.
                let _ = node.destroy_dumb_buffer(memory);
                Err(error)
            }
        }
    }

    fn drop_buffer(&self, buffer: ShownBuffer) {
        // What the kernel does not give up now it gives up when the card is closed.
        let _ = self.node.destroy_framebuffer(buffer.framebuffer);
        let _ = self.node.destroy_dumb_buffer(buffer.memory);
    }

    /// What can drive a display: what does so already, or else the first that can.
    fn crtc_for(&self, display: &connector::Info) -> io::Result<crtc::Handle> {
        let node = &self.node;
        let current = display.current_encoder();
        let current = current.and_then(|encoder| node.get_encoder(encoder).ok()?.crtc());
        if let Some(crtc) = current {
            return Ok(crtc);
        }
        let resources = node.resource_handles()?;
        let encoders = display.encoders().iter();
        encoders
            .filter_map(|encoder| node.get_encoder(*encoder).ok())
            .find_map(|encoder| {
                let usable = resources.filter_crtcs(encoder.possible_crtcs());
                usable.into_iter().next()
            })
            .ok_or_else(|| io::Error::other("the card has nothing left to drive the display with"))
    }

    /// How buffers are shown by this driver.
    fn showing(&self, first: &ShownBuffer, size_px: (u32, u32)) -> io::Result<Showing> {
        let whole = Area {
            left_px: 0,
            top_px: 0,
            right_px: size_px.0,
            bottom_px: size_px.1,
        };
        match self
            .node
            .dirty_framebuffer(first.framebuffer, &[clip_of(&whole)])
        {
            Ok(()) => Ok(Showing::Copied),
            Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => Ok(Showing::Flipped),
            Err(error) => Err(error),
        }
    }
}

impl Card for KernelCard {
    fn find(&mut self, connector: Option<&str>) -> io::Result<Option<FoundDisplay>> {
        let resources = self.node.resource_handles()?;
        let connectors = resources.connectors().iter();
        self.found = connectors
            .filter_map(|handle| self.node.get_connector(*handle, true).ok())
            .filter(|info| connector.is_none_or(|wanted| info.to_string() == wanted))
            .find(|info| info.state() == connector::State::Connected && !info.modes().is_empty());
        let found = self.found.as_ref().map(|info| FoundDisplay {
            connector: info.to_string(),
            modes: info.modes().iter().map(mode_of).collect(),
        });
        Ok(found)
    }

    fn light(&mut self, mode: usize) -> io::Result<Showing> {
        self.darken();
        let display = self.found.clone();
        let chosen = display
            .as_ref()
            .and_then(|display| Some((display, *display.modes().get(mode)?)));
        let Some((display, mode)) = chosen else {
            return Err(io::Error::other("the display has gone"));
        };
        let size_px = mode_of(&mode).size_px;
        let crtc = self.crtc_for(display)?;
        let first = self.add_buffer(size_px)?;
        let lit = self
            .node
            .set_crtc(
                crtc,
                Some(first.framebuffer),
                (0, 0),
                &[display.handle()],
                Some(mode),
            )
            .and_then(|()| self.showing(&first, size_px));
        let showing = match lit {
            Ok(showing) => showing,
            Err(error) => {
                self.drop_buffer(first);
                return Err(error);
            }
        };
        let mut buffers = vec![first];
        if showing == Showing::Flipped {
            // Without memory for two, the one that is shown is written.
            buffers.extend(self.add_buffer(size_px).ok());
        }
        let showing = match buffers.len() {
            1 if showing == Showing::Flipped => Showing::InPlace,
            _ => showing,
        };
        self.is_flipping = false;
        self.lit = Some(Lit {
            connector: display.handle(),
            crtc,
            buffers,
        });
        Ok(showing)
    }

    fn is_connected(&mut self) -> io::Result<bool> {
        let Some(lit) = &self.lit else {
            return Ok(false);
        };
        // The kernel's own knowledge: probing the cable each time would make some displays flicker.
        let info = self.node.get_connector(lit.connector, false)?;
        Ok(info.state() == connector::State::Connected)
    }

    fn write(&mut self, buffer: usize, write: &mut dyn FnMut(&mut [u8], usize)) -> io::Result<()> {
        let lit = self.lit.as_mut();
        let Some(buffer) = lit.and_then(|lit| lit.buffers.get_mut(buffer)) else {
            return Err(io::Error::other("the display is dark"));
        };
        let pitch = buffer.memory.pitch() as usize;
        let mut memory = self.node.map_dumb_buffer(&mut buffer.memory)?;
        write(&mut memory, pitch);
        Ok(())
    }

    fn copy(&mut self, areas: &[Area]) -> io::Result<()> {
        let lit = self.lit.as_ref();
        let Some(buffer) = lit.and_then(|lit| lit.buffers.first()) else {
            return Err(io::Error::other("the display is dark"));
        };
        for areas in areas.chunks(MAX_CLIPS) {
            self.clips.clear();
            self.clips.extend(areas.iter().map(clip_of));
            self.node
                .dirty_framebuffer(buffer.framebuffer, &self.clips)?;
        }
        Ok(())
    }

    fn flip(&mut self, buffer: usize) -> io::Result<()> {
        let lit = self.lit.as_ref();
        let chosen = lit.and_then(|lit| Some((lit.crtc, lit.buffers.get(buffer)?.framebuffer)));
        let Some((crtc, framebuffer)) = chosen else {
            return Err(io::Error::other("the display is dark"));
        };
        self.node
            .page_flip(crtc, framebuffer, PageFlipFlags::EVENT, None)?;
        self.is_flipping = true;
        Ok(())
    }

    fn has_flipped(&mut self) -> io::Result<bool> {
        if !self.is_flipping {
            return Ok(true);
        }
        match self.node.receive_events() {
            Ok(mut events) => {
                self.is_flipping = !events.any(|event| matches!(event, Event::PageFlip(_)));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(!self.is_flipping)
    }

    fn darken(&mut self) {
        let Some(lit) = self.lit.take() else {
            return;
        };
        for buffer in lit.buffers {
            self.drop_buffer(buffer);
        }
        // A flip of a display that has gone must not be taken for one of the next.
        while self.node.receive_events().is_ok() {}
        self.is_flipping = false;
    }
}

impl Drop for KernelCard {
    fn drop(&mut self) {
        self.darken();
    }
}

fn mode_of(mode: &Mode) -> DisplayMode {
    let (width, height) = mode.size();
    DisplayMode {
        size_px: (u32::from(width), u32::from(height)),
        is_preferred: mode.mode_type().contains(ModeTypeFlags::PREFERRED),
    }
}

/// The sides of modes are 16-bit numbers, so those of areas are too.
fn clip_of(area: &Area) -> ClipRect {
    let side = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
    ClipRect::new(
        side(area.left_px),
        side(area.top_px),
        side(area.right_px),
        side(area.bottom_px),
    )
}

fn with_remedy(error: io::Error) -> io::Error {
    let remedy = match error.kind() {
        ErrorKind::PermissionDenied => "run as root, or as a user in the group video",
        ErrorKind::NotFound => "does the kernel have a driver for the display? ls /dev/dri",
        _ => return error,
    };
    io::Error::new(error.kind(), format!("{error}; {remedy}"))
}

/// The cards there are, by name.
pub(super) fn cards() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/dev/dri").into_iter().flatten();
    let mut cards: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("card")
        })
        .collect();
    cards.sort();
    cards
}
