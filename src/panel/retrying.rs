//! A panel that may not be there yet: a display whose driver comes late or not at all.

use super::{Panel, PanelError};
use crate::image::canvas::Canvas;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Time between two tries to open the panel.
const TRY_INTERVAL: Duration = Duration::from_secs(1);

/// Opens a panel.
type Open = Box<dyn FnMut() -> Result<Box<dyn Panel>, PanelError> + Send>;

/// Stands in for a panel that could not be opened, and tries again while it is presented to.
pub struct RetryingPanel {
    name: String,
    image_px: (u32, u32),
    open: Open,
    panel: Option<Box<dyn Panel>>,
    /// Why it is not open.
    reason: String,
    next_try: Instant,
    /// What its light is to be set to.
    brightness_percent: Option<u8>,
}

impl RetryingPanel {
    /// Opens a panel for images of a size with `open`, now or later.
    ///
    /// # Errors
    /// What waiting cannot change: anything but [`PanelError::CannotOpen`].
    pub fn open(image_px: (u32, u32), mut open: Open) -> Result<Box<dyn Panel>, PanelError> {
        match open() {
            Err(PanelError::CannotOpen { panel, reason }) => Ok(Box::new(Self {
                name: panel,
                image_px,
                open,
                panel: None,
                reason,
                next_try: Instant::now() + TRY_INTERVAL,
                brightness_percent: None,
            })),
            opened => opened,
        }
    }

    fn present_at(
        &mut self,
        now: Instant,
        canvas: &Canvas,
        changed_rows: &[Range<u32>],
    ) -> Result<(), PanelError> {
        if let Some(panel) = &mut self.panel {
            return panel.present(canvas, changed_rows);
        }
        if now >= self.next_try {
            self.next_try = now + TRY_INTERVAL;
            match (self.open)() {
                Ok(mut panel) => {
                    if let Some(percent) = self.brightness_percent
                        && let Err(error) = panel.set_brightness(percent)
                    {
                        log::error!("{error}");
                    }
                    let all_rows = 0..self.image_px.1;
                    return self.panel.insert(panel).present(canvas, &[all_rows]);
                }
                Err(PanelError::CannotOpen { reason, .. }) => self.reason = reason,
                Err(error) => return Err(error),
            }
        }
        Err(PanelError::Unavailable {
            panel: self.name.clone(),
            reason: format!("cannot be opened: {}", self.reason),
        })
    }
}

impl Panel for RetryingPanel {
    fn size(&self) -> (u32, u32) {
        self.image_px
    }

    fn kind(&self) -> Option<&'static str> {
        self.panel.as_ref()?.kind()
    }

    fn device(&self) -> Option<String> {
        match &self.panel {
            Some(panel) => panel.device(),
            None => Some(self.name.clone()),
        }
    }

    fn brightness_steps(&self) -> &'static [u8] {
        self.panel
            .as_ref()
            .map_or(&[], |panel| panel.brightness_steps())
    }

    fn set_brightness(&mut self, percent: u8) -> Result<(), PanelError> {
        self.brightness_percent = Some(percent);
        match &mut self.panel {
            Some(panel) => panel.set_brightness(percent),
            None => Ok(()),
        }
    }

    fn present(&mut self, canvas: &Canvas, changed_rows: &[Range<u32>]) -> Result<(), PanelError> {
        self.present_at(Instant::now(), canvas, changed_rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::ScreenSize;
    use std::sync::{Arc, Mutex};

    /// What was asked of a panel.
    #[derive(Debug, PartialEq, Eq)]
    enum Asked {
        /// The first run of changed rows.
        Rows(Range<u32>),
        Brightness(u8),
    }

    struct Noting(Arc<Mutex<Vec<Asked>>>);

    impl Panel for Noting {
        fn size(&self) -> (u32, u32) {
            ScreenSize::Small.pixels()
        }

        fn kind(&self) -> Option<&'static str> {
            Some("noting")
        }

        fn set_brightness(&mut self, percent: u8) -> Result<(), PanelError> {
            self.0.lock().unwrap().push(Asked::Brightness(percent));
            Ok(())
        }

        fn present(&mut self, _: &Canvas, changed: &[Range<u32>]) -> Result<(), PanelError> {
            self.0.lock().unwrap().push(Asked::Rows(changed[0].clone()));
            Ok(())
        }
    }

    fn unavailable() -> PanelError {
        PanelError::CannotOpen {
            panel: "drm".to_owned(),
            reason: "there is no card".to_owned(),
        }
    }

    #[test]
    fn it_is_tried_each_second_and_gets_the_whole_image_and_its_light() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let tries = Arc::new(Mutex::new(0));
        let (noted, counted) = (asked.clone(), tries.clone());
        let open: Open = Box::new(move || {
            let mut tries = counted.lock().unwrap();
            *tries += 1;
            if *tries < 3 {
                return Err(unavailable());
            }
            Ok(Box::new(Noting(noted.clone())))
        });
        let size = ScreenSize::Small.pixels();
        let mut panel = RetryingPanel {
            name: "drm".to_owned(),
            image_px: size,
            open,
            panel: None,
            reason: String::new(),
            next_try: Instant::now(),
            brightness_percent: None,
        };
        let canvas = ScreenSize::Small.canvas();
        panel.set_brightness(60).unwrap();
        assert_eq!((panel.kind(), panel.device()), (None, Some("drm".into())));
        let (start, part) = (panel.next_try, 2..3);
        for tenths in 0..25 {
            let now = start + Duration::from_millis(tenths * 100);
            let shown = panel.present_at(now, &canvas, std::slice::from_ref(&part));
            assert_eq!(shown.is_ok(), tenths >= 20, "after {tenths} tenths");
            if let Err(error) = shown {
                assert!(error.to_string().contains("there is no card"), "{error}");
            }
        }
        assert_eq!(*tries.lock().unwrap(), 3);
        let asked = asked.lock().unwrap();
        let whole = Asked::Rows(0..size.1);
        assert_eq!(asked[..2], [Asked::Brightness(60), whole]);
        assert_eq!(asked[2], Asked::Rows(part));
        assert_eq!(panel.kind(), Some("noting"));
    }

    #[test]
    fn what_waiting_cannot_change_is_an_error() {
        let size = ScreenSize::Small.pixels();
        let wrong: Open = Box::new(|| Err(PanelError::NoWiring));
        assert!(matches!(
            RetryingPanel::open(size, wrong),
            Err(PanelError::NoWiring)
        ));
        let late: Open = Box::new(|| Err(unavailable()));
        assert!(RetryingPanel::open(size, late).is_ok());
    }
}
