//! `[issuer.aws_pca]`.

use std::sync::Arc;

use issuer::Issuer;
use outbound::{Client, Options, Trust, Url, endpoint};
use remote_issuers::aws_pca::{AwsPca, Place, Settings};

use super::reading::Reading;
use super::{Opened, aws_keys};
use crate::checks::problem::Findings;

/// Reads the section and the keys that it names.
pub(super) fn read(reading: &Reading<'_>, findings: &mut Findings) -> Option<Opened> {
    let aws = &reading.settings.aws_pca;
    let ca_arn = aws.ca_arn.trim().to_owned();
    let location = reading.at("aws_pca.ca_arn");
    let place = Place::of(&ca_arn);
    if place.is_none() {
        findings.fail(
            &location,
            match ca_arn.is_empty() {
                true => "it is not set",
                false => "it is no ARN of a CA of AWS Private CA",
            },
            "write arn:aws:acm-pca:REGION:ACCOUNT:certificate-authority/ID: `aws acm-pca list-certificate-authorities` shows it",
        );
    }
    let url = match (&reading.settings.url, &place) {
        (Some(_), _) => reading.url(findings),
        (None, Some(place)) => {
            let usual = place.address("acm-pca");
            if usual.is_none() {
                findings.fail(
                    &reading.at("url"),
                    "it is not set, and the address of this partition is not known",
                    "write the https address of AWS Private CA in the region",
                );
            }
            usual.and_then(|usual| endpoint(&usual).ok())
        }
        (None, None) => None,
    };
    let options = reading.options(findings);
    let source = options
        .as_ref()
        .zip(place.as_ref())
        .and_then(|(options, place)| aws_keys::source(reading, options, place, findings));
    let crl = options
        .as_ref()
        .and_then(|options| crl(reading, options, findings));
    let opening = reading.opening(url?, options?, findings)?;
    let settings = Settings {
        ca_arn,
        place: place?,
        source: source?,
        crl,
    };
    Some(Box::pin(async move {
        let aws = AwsPca::open(opening, settings).await?;
        Ok(Arc::new(aws) as Arc<dyn Issuer>)
    }))
}

/// Where the CRL is: a bucket, or what stands before it.
fn crl(reading: &Reading<'_>, options: &Options, findings: &mut Findings) -> Option<(Client, Url)> {
    let text = reading.settings.aws_pca.crl_url.as_ref()?;
    let location = reading.at("aws_pca.crl_url");
    let url = Url::parse(text.as_str()).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty()
    });
    let Some(url) = url else {
        findings.fail(
            &location,
            "it is no URL of a web server",
            "write http://BUCKET.s3.REGION.amazonaws.com/crl/ID.crl",
        );
        return None;
    };
    // Over http nothing of TLS counts: the CRL is signed.
    let trust = match &options.trust {
        Trust::Fingerprint(_) => Trust::System,
        trust => trust.clone(),
    };
    let client = Client::new(Options {
        trust,
        ..options.clone()
    });
    let client = client
        .inspect_err(|error| findings.fail(&location, error.to_string(), "see to the system"));
    Some((client.ok()?, url))
}
