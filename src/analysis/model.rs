//! Where the model lies, and that it computes on this machine what it computed where it was made.

use crate::network::{Network, NetworkError};
use std::env;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Where an installed device keeps its models.
const SYSTEM_MODELS: &str = "/usr/share/hemoscope";
/// Folders above the program that are searched for `models/`: a build folder lies two deep.
const PARENTS_SEARCHED: usize = 4;

/// Where the model's folder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelLocation {
    /// This folder, whether it is there or not.
    Named(PathBuf),
    /// The first folder of this name: from here, beside the program and above it, then where an
    /// installed device keeps its models.
    Search(PathBuf),
}

/// Why there is no model to count with.
#[derive(Debug, Error)]
pub enum ModelError {
    /// None of the places that are searched is there.
    #[error("no model folder: looked for {}; give --model DIR", places.join(", "))]
    NotFound {
        /// The folders that were searched, in that order.
        places: Vec<String>,
    },
    /// A model that is damaged, or of another release.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A processor or a build that computes otherwise than the exporter must not count.
    #[error(
        "the model in {} fails its known-answer check on this machine, so nothing is counted; \
         copy the model folder again, or try HEMOSCOPE_KERNEL=scalar",
        folder.display()
    )]
    OtherOutputs {
        /// The folder of the model that failed.
        folder: PathBuf,
    },
}

impl ModelLocation {
    /// The folder itself.
    ///
    /// # Errors
    /// [`ModelError::NotFound`].
    pub fn folder(&self) -> Result<PathBuf, ModelError> {
        let places = match self {
            ModelLocation::Named(folder) => return Ok(folder.clone()),
            ModelLocation::Search(folder) => search_places(folder),
        };
        match places.iter().find(|place| place.is_dir()) {
            Some(found) => Ok(found.clone()),
            None => Err(ModelError::NotFound {
                places: places
                    .iter()
                    .map(|place| place.display().to_string())
                    .collect(),
            }),
        }
    }

    /// Loads the device form of the model, once it has given its golden outputs.
    ///
    /// # Errors
    /// No such model, one that is damaged, or one that gives other outputs here.
    pub fn load(&self) -> Result<Network, ModelError> {
        let folder = self.folder()?;
        let network = Network::load(&folder)?;
        if network.check_golden(&folder)?.is_equal() {
            Ok(network)
        } else {
            Err(ModelError::OtherOutputs { folder })
        }
    }

    /// Loads the float form of the model, as [`Network::load_plain`].
    ///
    /// # Errors
    /// No such model, or one that is damaged.
    pub fn load_plain(&self) -> Result<Network, ModelError> {
        Ok(Network::load_plain(&self.folder()?)?)
    }
}

fn search_places(folder: &Path) -> Vec<PathBuf> {
    let mut places = vec![folder.to_path_buf()];
    if folder.is_absolute() {
        return places;
    }
    if let Ok(program) = env::current_exe() {
        let parents = program.ancestors().skip(1).take(PARENTS_SEARCHED);
        places.extend(parents.map(|parent| parent.join(folder)));
    }
    places.push(Path::new(SYSTEM_MODELS).join(folder));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_model_folder_is_looked_for_beside_the_program() {
        let places = search_places(Path::new("models/x"));
        assert_eq!(places[0], Path::new("models/x"));
        assert!(places.len() > 2, "{places:?}");
        assert_eq!(
            places.last().unwrap(),
            Path::new("/usr/share/hemoscope/models/x")
        );
    }

    #[test]
    fn an_absolute_model_folder_is_taken_as_it_is() {
        assert_eq!(search_places(Path::new("/m/x")), [PathBuf::from("/m/x")]);
    }

    #[test]
    fn a_folder_that_is_nowhere_is_told_with_the_places() {
        let error = ModelLocation::Search("models/none-such".into()).folder();
        let message = error.unwrap_err().to_string();
        for part in ["models/none-such, ", "/usr/share/hemoscope", "--model DIR"] {
            assert!(message.contains(part), "{message}");
        }
    }
}
