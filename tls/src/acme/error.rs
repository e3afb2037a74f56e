//! Why a certificate authority did not do what was asked.

use super::wire::Problem;

/// A failure of a request to a CA.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The CA cannot be reached.
    #[error("{url}: cannot be reached")]
    Away {
        /// What was asked for.
        url: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The CA refused, with its reason.
    #[error("{url}: refused: {problem}")]
    Refused {
        /// What was asked for.
        url: String,
        /// The CA's reason.
        problem: Box<Problem>,
        /// When it may be asked again, in seconds.
        retry_after_s: Option<u64>,
    },
    /// An answer that the protocol does not know.
    #[error("{url}: an answer without {missing}")]
    Answer {
        /// What was asked for.
        url: String,
        /// What it lacks.
        missing: &'static str,
    },
    /// A CA that does not do what is configured.
    #[error("{directory}: {reason}")]
    Unfit {
        /// The CA's directory.
        directory: String,
        /// What it lacks.
        reason: String,
    },
    /// Our own cryptography refused.
    #[error("cannot sign")]
    Sign(#[from] crate::Error),
}

impl Error {
    /// When the CA said that it may be asked again, in seconds from now.
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::Refused { retry_after_s, .. } => *retry_after_s,
            _ => None,
        }
    }

    /// Whether the CA refused what was asked for, and not who asks or how often: another order may be taken.
    pub(super) fn is_of_the_order(&self) -> bool {
        const OF_WHO_ASKS: [&str; 3] = ["accountDoesNotExist", "badNonce", "rateLimited"];
        matches!(self, Self::Refused { .. }) && !OF_WHO_ASKS.iter().any(|kind| self.is_problem(kind))
    }

    /// Whether the CA gave this kind of problem: the last word of its type (RFC 8555, 6.7).
    pub fn is_problem(&self, kind: &str) -> bool {
        matches!(self, Self::Refused { problem, .. } if problem.is(kind))
    }
}
