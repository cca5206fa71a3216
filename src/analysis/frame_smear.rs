//! Frames from files as the fields of one smear: each place of it is counted once.

use crate::RESEARCH_USE_NOTICE;
use crate::analysis::analyser::{Analyser, FieldCells};
use crate::assessment::{FIELD_SIZE_PERCENT, FieldEvidence, SmearFacts};
use crate::cell::{BoundingBox, Cell, SUBPIXELS};
use crate::count::{FieldTally, SmearTally, TallyError, TooManyExcluded, has_platelet_clump};
use crate::decode::Oddities;
use crate::image::frame::Frame;
use crate::quality::Quality;
use crate::quality::rim::{Clear, Rim};
use crate::record::{
    CellRecord, ColoursRecord, CounterRecord, CountsRecord, FrameRecord, QualityRecord,
};
use crate::registration::{FrameReduced, Overlaps, Placement, Registry};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use thiserror::Error;

/// SHA-256 of a frame's size and pixels: copies have the same, whatever file holds them.
pub type ContentHash = [u8; 32];

/// The hash of a frame's size and pixels.
pub fn content_hash(frame: &Frame) -> ContentHash {
    let mut hash = Sha256::new();
    hash.update(frame.width_px().to_le_bytes());
    hash.update(frame.rgb());
    hash.finalize().into()
}

/// What is known of a frame beside its cells.
#[derive(Debug, Clone)]
pub struct FrameNotes {
    /// What messages and records call it.
    pub name: String,
    /// See [`content_hash`].
    pub content: ContentHash,
    /// How it was assessed.
    pub quality: Quality,
    /// Whether its scale was estimated from the red cells rather than given.
    pub is_scale_estimated: bool,
    /// What became of its dark rim: the cells lie in what is left of it.
    pub rim: Rim,
    /// Whether the colour of a warm lamp was taken out of it.
    pub is_balanced: bool,
    /// What was odd about its file, though no pixel was in doubt.
    pub oddities: Oddities,
}

/// A frame and what was found in it, before it is held against those before it.
pub struct CountedFrame {
    notes: FrameNotes,
    frame_px: (u32, u32),
    field: FieldCells,
    counted_by: CounterRecord,
    rbc_diameter_q4: u32,
    reduced: FrameReduced,
}

impl CountedFrame {
    /// Of what `analyser` found in a frame.
    pub fn new(analyser: &Analyser, frame: &Frame, field: FieldCells, notes: FrameNotes) -> Self {
        let manifest = analyser.network().network().manifest();
        let mut reduced = FrameReduced::default();
        reduced.reduce(frame);
        Self {
            frame_px: (frame.width_px(), frame.height_px()),
            counted_by: CounterRecord {
                program: env!("CARGO_PKG_VERSION"),
                model: manifest.name.clone(),
                model_version: manifest.version.clone(),
                model_sha256: manifest.device.sha256.clone(),
            },
            rbc_diameter_q4: analyser.rbc_diameter_q4(field.um_per_px),
            reduced,
            field,
            notes,
        }
    }

    /// What messages and records call it.
    pub fn name(&self) -> &str {
        &self.notes.name
    }

    /// Places in the part that is left of a rim as places in the whole frame.
    fn in_whole_frame(&self, part: &BoundingBox) -> BoundingBox {
        let Rim::Cut(clear) = self.notes.rim else {
            return *part;
        };
        let to_q4 = |side_px: u32| side_px as i32 * SUBPIXELS;
        part.moved_by(to_q4(clear.left_px), to_q4(clear.top_px))
    }

    fn into_added(self, remarks: Vec<String>, older: &Overlaps) -> AddedFrame {
        let in_whole_frame = |cell: &Cell| Cell {
            bounds: self.in_whole_frame(&cell.bounds),
            ..*cell
        };
        let cells: Vec<Cell> = self.field.cells.iter().map(in_whole_frame).collect();
        let older = older
            .rectangles()
            .map(|part| self.in_whole_frame(&part))
            .collect();
        let Self { notes, field, .. } = self;
        let frame_px = match notes.rim {
            Rim::Cut(clear) => clear.whole_px,
            Rim::None | Rim::CoversField => self.frame_px,
        };
        let area_px = field.border.counted_area_q8() as f64 / 256.0;
        let record = FrameRecord {
            image: notes.name,
            width: frame_px.0,
            height: frame_px.1,
            um_per_px: field.um_per_px,
            um_per_px_estimated: notes.is_scale_estimated,
            counted_by: self.counted_by,
            quality: QualityRecord::from(&notes.quality),
            unexplained_permille: field.unexplained_permille,
            colours: ColoursRecord::from(&field.colours),
            counted_area_um2: area_px * field.um_per_px * field.um_per_px,
            remarks,
            counts: CountsRecord::from_cells(&cells),
            cells: cells.iter().map(CellRecord::from).collect(),
            notice: RESEARCH_USE_NOTICE,
        };
        AddedFrame {
            record,
            cells,
            older,
        }
    }
}

/// What a smear took of a frame.
pub struct AddedFrame {
    /// Its record.
    pub record: FrameRecord,
    /// Its cells, and which of them count; places are those of the whole frame, as in the record.
    pub cells: Vec<Cell>,
    /// What frames before it show too, which is left out of it.
    pub older: Vec<BoundingBox>,
}

fn rim_remark(clear: &Clear) -> String {
    let Clear {
        left_px,
        top_px,
        width_px,
        height_px,
        ..
    } = clear;
    format!(
        "{} % of it is cut off with a dark rim: {width_px}x{height_px} pixels from {left_px}, \
         {top_px} are counted",
        clear.cut_permille().div_ceil(10)
    )
}

/// Why a frame adds nothing to its smear.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum NotAdded {
    /// A frame before it has the same pixels, and was counted or refused.
    #[error("the same image was given before; an image is looked at once")]
    SameImage,
    /// More than half of it was counted before.
    #[error(
        "more than half of what it shows was counted before; --independent counts each frame for \
         itself"
    )]
    CountedBefore,
    /// It overlaps more frames than can be left out of it.
    #[error(transparent)]
    TooManyExcluded(#[from] TooManyExcluded),
    /// The smear takes no such field.
    #[error(transparent)]
    Tally(#[from] TallyError),
}

impl NotAdded {
    /// Whether nothing is lost: what it shows was counted, or refused, before.
    pub fn is_left_out(&self) -> bool {
        matches!(self, NotAdded::SameImage | NotAdded::CountedBefore)
    }
}

/// The frames of a smear so far.
pub struct FrameSmear {
    is_independent: bool,
    contents: BTreeSet<ContentHash>,
    registry: Registry,
    tally: SmearTally,
    facts: SmearFacts,
}

impl FrameSmear {
    /// An empty smear. Where frames are independent, none is held against those before it.
    pub fn new(is_independent: bool) -> Self {
        Self {
            is_independent,
            contents: BTreeSet::new(),
            registry: Registry::default(),
            tally: SmearTally::default(),
            facts: SmearFacts::default(),
        }
    }

    /// Counts over all frames.
    pub fn tally(&self) -> &SmearTally {
        &self.tally
    }

    /// What the cells of all frames look like together.
    pub fn facts(&self) -> &SmearFacts {
        &self.facts
    }

    /// Adds a frame, without what frames before it show too.
    ///
    /// # Errors
    /// [`NotAdded`]; the smear is then unchanged, but for knowing the frame's content.
    pub fn add(&mut self, mut frame: CountedFrame) -> Result<AddedFrame, NotAdded> {
        let mut remarks = Vec::new();
        let mut older = Overlaps::default();
        if frame.notes.is_balanced {
            remarks.push("the colour of a warm lamp was taken out of it".to_owned());
        }
        if !frame.notes.oddities.is_none() {
            let oddities = frame.notes.oddities;
            remarks.push(format!(
                "its file has {oddities}; every pixel is as it was coded"
            ));
        }
        if let Rim::Cut(clear) = frame.notes.rim {
            remarks.push(rim_remark(&clear));
        }
        if !self.is_independent {
            older = self.leave_out(&mut frame)?;
            let percent = older.share_permille().div_ceil(10);
            if percent > 0 {
                remarks.push(format!(
                    "{percent} % of it was counted before, and is left out"
                ));
            }
        }
        let CountedFrame { field, .. } = &frame;
        let tally = FieldTally::from_cells(&field.cells, field.border.counted_area_q8())
            .with_clump(has_platelet_clump(&field.cells, field.um_per_px));
        self.tally.add(&tally)?;
        if !self.is_independent {
            self.registry.accept(&frame.reduced);
        }
        let percent = self.facts.add(&FieldEvidence {
            cells: &field.cells,
            frame_px: frame.frame_px,
            rbc_diameter_q4: frame.rbc_diameter_q4,
            coverage_permille: frame.notes.quality.coverage_permille,
            unexplained_permille: field.unexplained_permille,
            colours: field.colours,
            rim_permille: frame.notes.quality.rim_permille,
        });
        if let Some(percent) = percent.filter(|one| one.abs_diff(100) > FIELD_SIZE_PERCENT) {
            remarks.push(format!(
                "its red cells are {percent} % as wide as the pixel size says: it may be of \
                 another magnification"
            ));
        }
        Ok(frame.into_added(remarks, &older))
    }

    /// Leaves out what was counted before, and tells it.
    fn leave_out(&mut self, frame: &mut CountedFrame) -> Result<Overlaps, NotAdded> {
        if !self.contents.insert(frame.notes.content) {
            return Err(NotAdded::SameImage);
        }
        match self.registry.assess(&frame.reduced) {
            Placement::New => Ok(Overlaps::default()),
            Placement::CountedBefore => Err(NotAdded::CountedBefore),
            Placement::Overlaps(older) => {
                frame.field.leave_out(&older)?;
                Ok(older)
            }
        }
    }
}
