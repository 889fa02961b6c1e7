//! A certificate of our own making, for one server that lives no longer than a build.
//!
//! Decides: what the certificate says. Must not: keep the key of the authority: it signs once, and is gone. Input: the names
//! that the server is called by. `rcgen` with ring saves us X.509; to leave it, this file is all that knows of it.

use std::net::IpAddr;

use jiff::civil::Date;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};

use crate::cluster::armoured;

/// A certificate, its key, and the authority that vouches for it. All as PEM.
pub(super) struct Certificate {
    /// Of the authority. No secret.
    pub(super) authority: String,
    /// Of the server. No secret.
    pub(super) certificate: String,
    /// The key of the server.
    pub(super) key: String,
}

/// What a certificate is for.
pub(super) struct Subject<'a> {
    /// The names that it is called by.
    pub(super) names: &'a [String],
    /// The addresses that it is called by.
    pub(super) addresses: &'a [IpAddr],
    /// The first day on which it is good.
    pub(super) from: Date,
    /// The last.
    pub(super) until: Date,
}

/// Makes a certificate for a server, and an authority that has signed nothing else.
///
/// # Errors
/// In words, when a name is none that a certificate can have.
pub(super) fn make(subject: &Subject<'_>) -> Result<Certificate, String> {
    let said = |error: rcgen::Error| error.to_string();
    let mut authority = params("build-resources", subject);
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().map_err(said)?).map_err(said)?;

    let mut server = params("registry", subject);
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    for name in subject.names {
        server.subject_alt_names.push(SanType::DnsName(name.as_str().try_into().map_err(said)?));
    }
    server.subject_alt_names.extend(subject.addresses.iter().copied().map(SanType::IpAddress));
    let key = KeyPair::generate().map_err(said)?;
    let certificate = server.signed_by(&key, &issuer).map_err(said)?;
    Ok(Certificate {
        authority: armoured("CERTIFICATE", issuer.der()),
        certificate: armoured("CERTIFICATE", certificate.der()),
        key: armoured("PRIVATE KEY", &key.serialize_der()),
    })
}

fn params(name: &str, subject: &Subject<'_>) -> CertificateParams {
    let day = |date: Date| {
        let part = |number: i8| u8::try_from(number).unwrap_or(1);
        date_time_ymd(date.year().into(), part(date.month()), part(date.day()))
    };
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = day(subject.from);
    params.not_after = day(subject.until);
    params
}
