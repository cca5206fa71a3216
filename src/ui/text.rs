//! Every word the screen shows, by ID, in every language.

use super::line::{Line, line};
use super::model::{
    Brightness, CameraTrouble, Clock, Decimal, Density, Instruction, Notice, Rejection, RunState,
    Sharpness, UpdateTrouble, Warning,
};
use crate::device::calendar::CivilTime;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The languages of the screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    English,
    Spanish,
    French,
}

impl Language {
    /// Every language, in the order of the catalogue's columns.
    pub const ALL: [Language; 3] = [Language::English, Language::Spanish, Language::French];

    /// The two letters of ISO 639-1.
    pub fn code(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Spanish => "es",
            Language::French => "fr",
        }
    }

    fn decimal_mark(self) -> char {
        match self {
            Language::English => '.',
            Language::Spanish | Language::French => ',',
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.code())
    }
}

/// A language that the screen does not speak.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("the screen has no language {given:?}; choose en, es or fr")]
pub struct UnknownLanguage {
    pub given: String,
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        Language::ALL
            .into_iter()
            .find(|language| language.code() == given)
            .ok_or_else(|| UnknownLanguage {
                given: given.to_owned(),
            })
    }
}

macro_rules! catalogue {
    ($($id:ident: $english:literal, $spanish:literal, $french:literal;)+) => {
        /// A text of the screen.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum TextId {
            $(#[doc = $english] $id,)+
        }

        impl TextId {
            /// Every text.
            pub const ALL: &'static [TextId] = &[$(TextId::$id,)+];

            /// The text in a language.
            pub fn text_in(self, language: Language) -> &'static str {
                let texts = match self {
                    $(TextId::$id => [$english, $spanish, $french],)+
                };
                texts[language as usize]
            }
        }
    };
}

catalogue! {
    ResearchUse:
        "Research use only. Not for use in diagnostic procedures.",
        "Solo para investigación. No usar en diagnóstico.",
        "Recherche uniquement. Ne pas utiliser pour le diagnostic.";

    NoSample: "No sample ID", "Sin ID de muestra", "Sans ID";
    ClockNotSet: "clock not set", "reloj sin ajustar", "horloge non réglée";

    Live: "LIVE", "EN VIVO", "EN COURS";
    Paused: "PAUSED", "EN PAUSA", "EN PAUSE";
    Finished: "FINISHED", "TERMINADO", "TERMINÉ";
    Unfinished: "UNFINISHED", "INCOMPLETO", "INCOMPLET";

    CountsSoFar: "So far", "Hasta ahora", "Jusqu'ici";
    CountsResult: "Result", "Resultado", "Résultat";
    CountsNoResult: "Not a result", "No válido", "Non valable";
    Interval: "95 % interval", "intervalo 95 %", "intervalle 95 %";
    TooFewCells: "too few cells", "muy pocas células", "trop peu de cellules";
    Uncertain: "Uncertain", "Dudosas", "Incertaines";
    PerThousandRbc: "per 1000 RBC", "por 1000 RBC", "pour 1000 RBC";
    OverDispersed:
        "Fields differ more than chance",
        "Los campos varían más que el azar",
        "Les champs varient trop entre eux";

    Focus: "Focus", "Enfoque", "Netteté";
    Sharp: "sharp", "nítido", "net";
    Soft: "soft", "medio", "moyen";
    Blurred: "blurred", "borroso", "flou";
    Light: "Light", "Luz", "Lumière";
    LightDark: "too dark", "escasa", "trop faible";
    LightGood: "good", "buena", "bonne";
    LightBright: "too bright", "excesiva", "trop forte";
    Density: "Density", "Densidad", "Densité";
    DensityEmpty: "empty", "vacío", "vide";
    DensitySparse: "sparse", "baja", "faible";
    DensityGood: "good", "buena", "bonne";
    DensityCrowded: "crowded", "excesiva", "trop forte";
    ScaleUnit: "µm/px", "µm/px", "µm/px";
    ScaleCalibrated: "calibrated", "calibrada", "calibrée";
    ScaleEstimated: "est.", "est.", "est.";
    ScaleUnknown: "scale unknown", "escala sin ajustar", "échelle inconnue";
    NoPicture: "No picture yet", "Aún sin imagen", "Pas encore d'image";

    Fields: "Fields", "Campos", "Champs";
    Rejected: "Rejected", "Rechazados", "Rejetés";
    RejectedBlurred: "blurred", "borrosos", "flous";
    RejectedDark: "dark", "oscuros", "sombres";
    RejectedBright: "bright", "claros", "clairs";
    RejectedEmpty: "empty", "vacíos", "vides";
    RejectedCrowded: "crowded", "densos", "denses";
    RejectedNotASmear: "not a smear", "sin frotis", "sans frottis";
    RejectedBroken: "broken", "dañados", "abîmés";
    RejectedOther: "other", "otros", "autres";
    Skipped: "skipped", "omitidas", "ignorées";

    WarnTooManyWbc:
        "More white cells than a smear can hold: check stain, scale",
        "Demasiados glóbulos blancos: revise tinción y escala",
        "Trop de globules blancs : vérifier coloration, échelle";
    WarnManyUncertain:
        "Many cells are uncertain: check stain and focus",
        "Muchas células dudosas: revise tinción y enfoque",
        "Cellules incertaines : vérifier coloration et netteté";
    WarnScale:
        "Scale outside of the tested range: calibrate",
        "Escala fuera del rango probado: calibre",
        "Échelle hors du domaine testé : étalonner";
    WarnNotASmear:
        "This does not look like a stained smear",
        "Esto no parece un frotis teñido",
        "Ceci ne ressemble pas à un frottis coloré";
    WarnNotSaved:
        "Results not saved: check the card and its space",
        "Resultados sin guardar: revise tarjeta y espacio",
        "Résultats non enregistrés : vérifier la carte";

    DoWait: "Wait for the first picture", "Espere la primera imagen", "Attendez la première image";
    DoHoldStill: "Hold still: counting", "No mueva: contando", "Ne bougez pas : comptage";
    DoNextField: "Move to the next field", "Pase al campo siguiente", "Passez au champ suivant";
    DoFocus: "Focus the slide", "Enfoque el portaobjetos", "Mettez la lame au point";
    DoRaiseLight: "Too dark: raise the light", "Muy oscuro: suba la luz", "Trop sombre : plus de lumière";
    DoLowerLight: "Too bright: lower the light", "Muy claro: baje la luz", "Trop clair : moins de lumière";
    DoThinner: "Crowded: move to a thinner area", "Muy denso: busque zona más fina", "Trop dense : zone plus mince";
    DoFindCells: "Few cells: move to a denser area", "Pocas células: vaya a más densa", "Peu de cellules : zone plus dense";
    DoCheckStain: "Check stain and slide", "Revise tinción y muestra", "Vérifiez lame et coloration";
    DoSetScale: "Set the scale of the microscope", "Ajuste la escala", "Réglez l'échelle";
    DoCheckCamera: "Check camera and cable", "Revise la cámara y su cable", "Vérifiez caméra et câble";
    DoResume: "Paused: resume to count on", "En pausa: reanude para contar", "En pause : reprenez le comptage";
    DoComplete: "Done: note the result", "Listo: anote el resultado", "Fini : notez le résultat";
    DoStartAgain: "Broken off: start the run again", "Interrumpido: empiece de nuevo", "Interrompu : recommencez";

    Starting: "Starting: loading the network", "Iniciando: cargando la red", "Démarrage : chargement du réseau";
    Tagline: "Counts cells in a blood smear", "Cuenta células en un frotis", "Compte les cellules d'un frottis";
    NoCamera: "No camera", "Sin cámara", "Sans caméra";
    CameraNotConnected:
        "No camera is connected",
        "No hay cámara conectada",
        "Aucune caméra n'est branchée";
    CameraSeveral:
        "More than one camera is connected",
        "Hay más de una cámara conectada",
        "Plus d'une caméra est branchée";
    CameraInUse:
        "Another program uses the camera",
        "Otro programa usa la cámara",
        "Un autre programme utilise la caméra";
    CameraNotAllowed:
        "The program may not open the camera",
        "El programa no puede abrir la cámara",
        "Le programme ne peut pas ouvrir la caméra";
    CameraUnsuitable:
        "This camera's pictures cannot be used",
        "Las imágenes de esta cámara no sirven",
        "Les images de cette caméra ne conviennent pas";
    CameraSilent:
        "The camera gives no pictures",
        "La cámara no da imágenes",
        "La caméra ne donne pas d'images";
    CameraFailed: "The camera failed", "La cámara falló", "La caméra est en panne";
    DoPlugIn:
        "Plug the camera in. Counting goes on by itself.",
        "Conecte la cámara. El recuento sigue solo.",
        "Branchez la caméra. Le comptage reprend seul.";
    DoLeaveOne:
        "Leave only the microscope's camera plugged in.",
        "Deje conectada solo la cámara del microscopio.",
        "Ne laissez branchée que la caméra du microscope.";
    DoSwitchOff:
        "Switch the device off and on again.",
        "Apague y encienda el aparato.",
        "Éteignez puis rallumez l'appareil.";
    DoAskInstaller:
        "Tell whoever set the device up.",
        "Avise a quien instaló el aparato.",
        "Prévenez qui a installé l'appareil.";
    DoOtherCamera:
        "Use a camera with MJPG or YUYV.",
        "Use una cámara con MJPG o YUYV.",
        "Prenez une caméra MJPG ou YUYV.";
    DoReplug:
        "Unplug the camera and plug it in again.",
        "Desconecte la cámara y conéctela de nuevo.",
        "Débranchez la caméra, puis rebranchez-la.";
    HoldToSwitchOff:
        "To switch off, hold the first button for 3 s",
        "Para apagar, mantenga el primer botón 3 s",
        "Pour éteindre, tenez le premier bouton 3 s";

    Update: "UPDATE", "ACTUALIZAR", "MISE À JOUR";
    UpdateTitle: "Update", "Actualización", "Mise à jour";
    UpdateInstall: "Install?", "¿Instalar?", "Installer ?";
    UpdateOlder: "OLDER version", "Versión ANTERIOR", "Version ANCIENNE";
    UpdateInstalling: "Installing", "Instalando", "Installation";
    UpdateRestart: "Restart now?", "¿Reiniciar ahora?", "Redémarrer ?";
    UpdateRestarting: "Restarting", "Reiniciando", "Redémarrage";
    UpdateRefused: "Update refused", "Actualización rechazada", "Mise à jour refusée";
    UpdateDone: "Update done", "Actualizado", "Mise à jour faite";
    UpdateUndone: "Update undone", "Actualización revertida", "Mise à jour annulée";
    Recovery: "Recovery", "Recuperación", "Secours";

    VersionInstalled: "Installed", "Instalada", "Installée";
    VersionOnCard: "On the card", "En la tarjeta", "Sur la carte";
    VersionBefore: "Before", "Antes", "Avant";
    VersionNow: "Now", "Ahora", "Maintenant";
    VersionNew: "New", "Nueva", "Nouvelle";
    VersionFailed: "Failed", "Falló", "En échec";

    UpdateCopies:
        "The update is copied from the card.",
        "La actualización se copia de la tarjeta.",
        "La mise à jour est copiée de la carte.";
    UpdateLeaveCard: "Leave the card in.", "No saque la tarjeta.", "Laissez la carte en place.";
    UpdateChecks:
        "It is checked whether the update is whole, and from its maker.",
        "Se comprueba que la actualización esté completa y sea de su fabricante.",
        "Vérification : la mise à jour est-elle entière, et de son fabricant ?";
    UpdateCardFree:
        "The card is not needed any more.",
        "La tarjeta ya no hace falta.",
        "La carte ne sert plus.";
    UpdateIsOlder:
        "This is OLDER than what is installed.",
        "Es ANTERIOR a la versión instalada.",
        "Elle est plus ANCIENNE que l'installée.";
    UpdateOlderLoses:
        "What newer versions added and repaired is lost. New results may not be saved. Saved ones stay.",
        "Se pierde lo que añadieron y corrigieron las nuevas. Puede que no se guarden nuevos resultados. Los guardados quedan.",
        "Les ajouts et corrections récents sont perdus. De nouveaux résultats peuvent ne pas être enregistrés. Les anciens restent.";
    UpdateInstalls:
        "It is written beside the version that runs, which stays whole.",
        "Se escribe junto a la versión en uso, que queda intacta.",
        "Elle est écrite à côté de la version en service, qui reste intacte.";
    UpdateBegins:
        "It is installed, and begins at the next start.",
        "Está instalada y empieza al reiniciar.",
        "Elle est installée, active au redémarrage.";
    UpdateComesBack:
        "If it does not work, the version before it comes back by itself.",
        "Si no funciona, vuelve sola la versión anterior.",
        "Si elle ne marche pas, la version d'avant revient seule.";
    UpdateMoment: "One moment", "Un momento", "Un instant";
    UpdateStartsAgain:
        "The device starts again by itself.",
        "El aparato se reinicia solo.",
        "L'appareil redémarre seul.";
    UpdateUnchanged:
        "The installed version has not changed.",
        "La versión instalada no ha cambiado.",
        "La version installée n'a pas changé.";
    UpdateStays:
        "The new version works, and stays.",
        "La nueva versión funciona y se queda.",
        "La nouvelle version marche et reste.";
    UpdateGivenUp:
        "The new version did not work. The one before it runs again.",
        "La nueva versión no funcionó. Vuelve la anterior.",
        "La nouvelle version n'a pas marché. Celle d'avant est revenue.";
    RecoveryHappened:
        "The installed systems do not start. The factory's runs.",
        "Los sistemas instalados no arrancan. Funciona el de fábrica.",
        "Les systèmes installés ne démarrent pas. Celui d'usine tourne.";
    RecoveryHelp:
        "Insert a card with an update.",
        "Inserte una tarjeta con una actualización.",
        "Insérez une carte avec une mise à jour.";

    TroubleSeveral:
        "More than one update is on the card",
        "Hay más de una actualización en la tarjeta",
        "Plus d'une mise à jour est sur la carte";
    TroubleUnreadable:
        "The card or its update cannot be read",
        "La tarjeta o su actualización no se puede leer",
        "La carte ou sa mise à jour est illisible";
    TroubleNotGenuine:
        "The update is not from its maker, or was changed",
        "La actualización no es del fabricante o fue alterada",
        "La mise à jour n'est pas du fabricant, ou fut modifiée";
    TroubleOtherBoard:
        "The update is for another kind of device",
        "La actualización es para otro tipo de aparato",
        "La mise à jour est pour un autre type d'appareil";
    TroubleNoRoom:
        "The device has no room for the update",
        "El aparato no tiene espacio para la actualización",
        "L'appareil n'a pas de place pour la mise à jour";
    TroubleLowBattery: "The battery is too low", "La batería está muy baja", "La batterie est trop faible";
    TroubleCardPulled:
        "The card was taken out too early",
        "La tarjeta se sacó demasiado pronto",
        "La carte a été retirée trop tôt";
    TroubleInstall:
        "The update could not be written",
        "La actualización no se pudo escribir",
        "La mise à jour n'a pas pu être écrite";
    DoLeaveOneUpdate:
        "Leave one on it, and insert the card again.",
        "Deje solo una e inserte la tarjeta de nuevo.",
        "N'en laissez qu'une, puis remettez la carte.";
    DoCopyUpdate:
        "Copy the update to the card again, or use another card.",
        "Copie de nuevo la actualización o use otra tarjeta.",
        "Recopiez la mise à jour, ou prenez une autre carte.";
    DoAskMaker:
        "Do not use it. Get it from its maker again.",
        "No la use. Pídala de nuevo al fabricante.",
        "Ne l'utilisez pas. Redemandez-la au fabricant.";
    DoTakeOwnUpdate:
        "Use the update for this device.",
        "Use la actualización de este aparato.",
        "Prenez la mise à jour de cet appareil.";
    DoCharge:
        "Connect the supply, and insert the card again.",
        "Conecte la corriente e inserte la tarjeta de nuevo.",
        "Branchez l'alimentation, puis remettez la carte.";
    DoInsertAgain:
        "Insert the card again, and leave it in.",
        "Inserte la tarjeta de nuevo y no la saque.",
        "Remettez la carte, et laissez-la.";
    DoInsertOnceMore:
        "Insert the card again. If it fails again, tell whoever set the device up.",
        "Inserte la tarjeta de nuevo. Si falla otra vez, avise a quien instaló el aparato.",
        "Remettez la carte. Si l'échec se répète, prévenez qui a installé l'appareil.";

    ButtonBackToCounting: "Back to counting", "Volver a contar", "Revenir au comptage";
    ButtonInstall: "Install", "Instalar", "Installer";
    ButtonInstallOlder: "Install the older version", "Instalar la anterior", "Installer l'ancienne";
    ButtonNotNow: "Not now", "Ahora no", "Pas maintenant";
    ButtonRestart: "Restart", "Reiniciar", "Redémarrer";
    ButtonLater: "Later", "Más tarde", "Plus tard";
    ButtonSeen: "Understood", "Entendido", "Compris";
    ButtonTryAgain: "Try the installed systems again", "Probar otra vez los instalados", "Réessayer les installés";
    ButtonCountHere: "Count with the factory's", "Contar con el de fábrica", "Compter avec celui d'usine";

    NoticeCopying:
        "Copying an update, leave the card in:",
        "Copiando actualización, no saque la tarjeta:",
        "Copie de mise à jour, laissez la carte :";
    NoticeChecking:
        "Checking the update",
        "Comprobando la actualización",
        "Vérification de la mise à jour";
    NoticeWaits:
        "An update waits for the end of this smear",
        "Una actualización espera al final del frotis",
        "Une mise à jour attend la fin du frottis";
    NoticeInstalling:
        "Installing the update, go on counting:",
        "Instalando actualización, siga contando:",
        "Installation en cours, continuez :";
    NoticeReady:
        "An update begins at the next start",
        "Una actualización empieza al reiniciar",
        "Une mise à jour sera active au redémarrage";
    NoticeNews:
        "About the update: after this smear",
        "Sobre la actualización: tras este frotis",
        "À propos de la mise à jour : après ce frottis";
    NoticeRecovery:
        "Recovery: insert a card with an update",
        "Recuperación: inserte tarjeta con actualización",
        "Secours : insérez une carte de mise à jour";
    NoticeCardRepaired:
        "Card repaired: are all results there?",
        "Tarjeta reparada: ¿están los resultados?",
        "Carte réparée : vérifier les résultats";

    Error: "Error", "Error", "Erreur";
    WhatHappened: "What happened", "Qué ocurrió", "Ce qui s'est passé";
    WhatToDo: "What to do", "Qué hacer", "Que faire";
}

impl From<RunState> for TextId {
    fn from(state: RunState) -> Self {
        match state {
            RunState::Live => TextId::Live,
            RunState::Paused => TextId::Paused,
            RunState::Finished => TextId::Finished,
            RunState::Unfinished => TextId::Unfinished,
        }
    }
}

impl From<Sharpness> for TextId {
    fn from(sharpness: Sharpness) -> Self {
        match sharpness {
            Sharpness::Sharp => TextId::Sharp,
            Sharpness::Soft => TextId::Soft,
            Sharpness::Blurred => TextId::Blurred,
        }
    }
}

impl From<Brightness> for TextId {
    fn from(brightness: Brightness) -> Self {
        match brightness {
            Brightness::Dark => TextId::LightDark,
            Brightness::Good => TextId::LightGood,
            Brightness::Bright => TextId::LightBright,
        }
    }
}

impl From<Density> for TextId {
    fn from(density: Density) -> Self {
        match density {
            Density::Empty => TextId::DensityEmpty,
            Density::Sparse => TextId::DensitySparse,
            Density::Good => TextId::DensityGood,
            Density::Crowded => TextId::DensityCrowded,
        }
    }
}

impl From<Rejection> for TextId {
    fn from(reason: Rejection) -> Self {
        match reason {
            Rejection::Blurred => TextId::RejectedBlurred,
            Rejection::TooDark => TextId::RejectedDark,
            Rejection::TooBright => TextId::RejectedBright,
            Rejection::Empty => TextId::RejectedEmpty,
            Rejection::Crowded => TextId::RejectedCrowded,
            Rejection::NotASmear => TextId::RejectedNotASmear,
            Rejection::BrokenFrame => TextId::RejectedBroken,
        }
    }
}

impl From<Warning> for TextId {
    fn from(warning: Warning) -> Self {
        match warning {
            Warning::TooManyWhiteCells => TextId::WarnTooManyWbc,
            Warning::ManyUncertain => TextId::WarnManyUncertain,
            Warning::ScaleOutOfRange => TextId::WarnScale,
            Warning::NotASmear => TextId::WarnNotASmear,
            Warning::Camera(trouble) => trouble.into(),
            Warning::NotSaved => TextId::WarnNotSaved,
        }
    }
}

/// What happened.
impl From<CameraTrouble> for TextId {
    fn from(trouble: CameraTrouble) -> Self {
        match trouble {
            CameraTrouble::NotConnected => TextId::CameraNotConnected,
            CameraTrouble::Several => TextId::CameraSeveral,
            CameraTrouble::InUse => TextId::CameraInUse,
            CameraTrouble::PermissionDenied => TextId::CameraNotAllowed,
            CameraTrouble::Unsuitable => TextId::CameraUnsuitable,
            CameraTrouble::Silent => TextId::CameraSilent,
            CameraTrouble::Failed => TextId::CameraFailed,
        }
    }
}

/// What happened.
impl From<UpdateTrouble> for TextId {
    fn from(trouble: UpdateTrouble) -> Self {
        match trouble {
            UpdateTrouble::Several => TextId::TroubleSeveral,
            UpdateTrouble::Unreadable => TextId::TroubleUnreadable,
            UpdateTrouble::NotGenuine => TextId::TroubleNotGenuine,
            UpdateTrouble::OtherBoard => TextId::TroubleOtherBoard,
            UpdateTrouble::NoRoom => TextId::TroubleNoRoom,
            UpdateTrouble::LowBattery => TextId::TroubleLowBattery,
            UpdateTrouble::CardPulled => TextId::TroubleCardPulled,
            UpdateTrouble::InstallFailed => TextId::TroubleInstall,
        }
    }
}

/// What to do about an update.
pub fn update_help(trouble: UpdateTrouble) -> TextId {
    match trouble {
        UpdateTrouble::Several => TextId::DoLeaveOneUpdate,
        UpdateTrouble::Unreadable => TextId::DoCopyUpdate,
        UpdateTrouble::NotGenuine => TextId::DoAskMaker,
        UpdateTrouble::OtherBoard => TextId::DoTakeOwnUpdate,
        UpdateTrouble::NoRoom => TextId::DoAskInstaller,
        UpdateTrouble::LowBattery => TextId::DoCharge,
        UpdateTrouble::CardPulled => TextId::DoInsertAgain,
        UpdateTrouble::InstallFailed => TextId::DoInsertOnceMore,
    }
}

/// A notice, with its percents.
pub fn notice(notice: Notice, language: Language) -> Line {
    let (words, percent) = match notice {
        Notice::HoldToSwitchOff => (TextId::HoldToSwitchOff, None),
        Notice::UpdateCopying { percent } => (TextId::NoticeCopying, Some(percent)),
        Notice::UpdateChecking => (TextId::NoticeChecking, None),
        Notice::UpdateWaits => (TextId::NoticeWaits, None),
        Notice::UpdateInstalling { percent } => (TextId::NoticeInstalling, Some(percent)),
        Notice::UpdateReady => (TextId::NoticeReady, None),
        Notice::UpdateNews => (TextId::NoticeNews, None),
        Notice::Recovery => (TextId::NoticeRecovery, None),
        Notice::CardRepaired => (TextId::NoticeCardRepaired, None),
    };
    let words = words.text_in(language);
    match percent {
        Some(percent) => line!("{words} {} %", percent.min(100)),
        None => words.into(),
    }
}

/// An error's name.
pub fn error_title(number: Option<u16>, language: Language) -> String {
    let error = TextId::Error.text_in(language);
    match number {
        Some(number) => format!("{error} E-{number:02}"),
        None => error.to_owned(),
    }
}

/// What to do about a camera.
pub fn camera_help(trouble: CameraTrouble) -> TextId {
    match trouble {
        CameraTrouble::NotConnected => TextId::DoPlugIn,
        CameraTrouble::Several => TextId::DoLeaveOne,
        CameraTrouble::InUse => TextId::DoSwitchOff,
        CameraTrouble::PermissionDenied => TextId::DoAskInstaller,
        CameraTrouble::Unsuitable => TextId::DoOtherCamera,
        CameraTrouble::Silent | CameraTrouble::Failed => TextId::DoReplug,
    }
}

impl From<Instruction> for TextId {
    fn from(instruction: Instruction) -> Self {
        match instruction {
            Instruction::Wait => TextId::DoWait,
            Instruction::HoldStill => TextId::DoHoldStill,
            Instruction::NextField => TextId::DoNextField,
            Instruction::FocusSlide => TextId::DoFocus,
            Instruction::RaiseLight => TextId::DoRaiseLight,
            Instruction::LowerLight => TextId::DoLowerLight,
            Instruction::FindThinnerArea => TextId::DoThinner,
            Instruction::FindCells => TextId::DoFindCells,
            Instruction::CheckStain => TextId::DoCheckStain,
            Instruction::SetScale => TextId::DoSetScale,
            Instruction::CheckCamera => TextId::DoCheckCamera,
            Instruction::Resume => TextId::DoResume,
            Instruction::RunComplete => TextId::DoComplete,
            Instruction::StartAgain => TextId::DoStartAgain,
        }
    }
}

/// A number with the language's decimal mark, without spaces between the thousands.
pub fn decimal(number: Decimal, language: Language) -> Line {
    let number = number.rounded_to(Decimal::MAX_DECIMALS);
    if number.decimals == 0 {
        return line!("{}", number.scaled);
    }
    let unit = 10u64.pow(u32::from(number.decimals));
    line!(
        "{}{}{:0width$}",
        number.scaled / unit,
        language.decimal_mark(),
        number.scaled % unit,
        width = usize::from(number.decimals)
    )
}

/// A number with three significant digits and a prefix of thousands: `124k`, `1.24M`. Below
/// 10 000 it is written in full, rounded to a whole number from 100 on.
pub fn compact(number: Decimal, language: Language) -> Line {
    let number = number.rounded_to(Decimal::MAX_DECIMALS);
    let whole = number.whole_part();
    if whole < 10_000 {
        let decimals = if whole < 100 { 1 } else { 0 };
        return decimal(number.rounded_to(decimals), language);
    }
    // 10 000 to 999 999 are thousands, and so on: `ilog10` is at least 4 here.
    let thousands = whole.ilog10() / 3;
    let prefix = ['k', 'M', 'G', 'T', 'P', 'E'][thousands as usize - 1];
    let unit = 1000u64.pow(thousands);
    let head = whole / unit;
    let decimals = 2u8.saturating_sub(head.ilog10() as u8);
    // Thousandths of the unit fit, since `head` has at most three digits.
    let scaled = head * 1000 + whole % unit / (unit / 1000);
    let mantissa = Decimal {
        scaled,
        decimals: 3,
    };
    let mantissa = decimal(mantissa.rounded_to(decimals), language);
    line!("{mantissa}{prefix}")
}

/// The date and time as `2026-05-31 14:05`, with `UTC` where it is not local time, or the words for
/// a clock that is not set.
pub fn clock(clock: Clock, language: Language) -> Line {
    match clock {
        Clock::NotSet => TextId::ClockNotSet.text_in(language).into(),
        Clock::Set { time, is_utc } => {
            let CivilTime {
                year,
                month,
                day,
                hour,
                minute,
            } = time;
            let zone = if is_utc { " UTC" } else { "" };
            line!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}{zone}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::font::TypeScale;

    #[test]
    fn every_text_says_something_that_the_fonts_can_show() {
        let mut faults = Vec::new();
        for id in TextId::ALL {
            for language in Language::ALL {
                let text = id.text_in(language);
                if text.trim() != text || text.is_empty() {
                    faults.push(format!("{id:?} in {language} is empty or padded"));
                }
                let unknown: String = text
                    .chars()
                    .filter(|c| !TypeScale::Compact.knows(*c))
                    .collect();
                if !unknown.is_empty() {
                    faults.push(format!(
                        "{id:?} in {language} has no glyphs for {unknown:?}"
                    ));
                }
            }
        }
        assert_eq!(faults, Vec::<String>::new());
    }

    #[test]
    fn the_english_research_sentence_is_the_agreed_one() {
        assert_eq!(
            TextId::ResearchUse.text_in(Language::English),
            "Research use only. Not for use in diagnostic procedures."
        );
    }

    #[test]
    fn languages_are_found_by_code() {
        for language in Language::ALL {
            assert_eq!(language.code().parse(), Ok(language));
        }
        let error = "de".parse::<Language>().unwrap_err();
        assert!(error.to_string().contains("en, es or fr"), "{error}");
    }

    #[test]
    fn decimals_follow_the_language() {
        let cases = [
            (Decimal::whole(5012), Language::French, "5012"),
            (Decimal::tenths(14), Language::English, "1.4"),
            (Decimal::tenths(14), Language::Spanish, "1,4"),
            (
                Decimal {
                    scaled: 7,
                    decimals: 3,
                },
                Language::English,
                "0.007",
            ),
            (
                Decimal {
                    scaled: 7,
                    decimals: 90,
                },
                Language::English,
                "0.000000",
            ),
        ];
        for (number, language, expected) in cases {
            assert_eq!(decimal(number, language), expected, "{number:?}");
        }
    }

    #[test]
    fn compact_numbers_keep_three_digits() {
        let cases = [
            (0, "0"),
            (9_999, "9999"),
            (10_000, "10.0k"),
            (12_349, "12.3k"),
            (124_312, "124k"),
            (999_999, "1000k"),
            (1_239_000, "1.24M"),
            (u64::MAX, "18.4E"),
        ];
        for (value, expected) in cases {
            let got = compact(Decimal::whole(value), Language::English);
            assert_eq!(got, expected, "{value}");
        }
        assert_eq!(compact(Decimal::tenths(14), Language::Spanish), "1,4");
        assert_eq!(compact(Decimal::tenths(1049), Language::English), "105");
    }

    #[test]
    fn an_unset_clock_shows_no_date() {
        assert_eq!(clock(Clock::NotSet, Language::English), "clock not set");
        let set = |is_utc| Clock::Set {
            time: CivilTime {
                year: 2026,
                month: 5,
                day: 3,
                hour: 4,
                minute: 7,
            },
            is_utc,
        };
        assert_eq!(clock(set(false), Language::French), "2026-05-03 04:07");
        assert_eq!(clock(set(true), Language::French), "2026-05-03 04:07 UTC");
    }
}
