//! Whom to trust: the host's authorities, or those of one file. Certificates are always verified.

use std::{fs::File, io::Read as _, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use crate::notify::failure::Failure;

const CA_FILE_MAX: u64 = 4 << 20;

/// What a private authority's file holds.
pub(super) fn read_ca_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut pem = Vec::new();
    File::open(path)
        .and_then(|file| file.take(CA_FILE_MAX).read_to_end(&mut pem))
        .map_err(|error| Failure::temporary(format!("ca_file: {}: {error}", path.display())))?;
    let mut certificates = CertificateDer::pem_slice_iter(&pem);
    match certificates.next() {
        Some(Ok(_)) => Ok(pem),
        _ => Err(Failure::temporary(format!(
            "ca_file: {}: there is no certificate in it; write one in PEM",
            path.display()
        ))),
    }
}

/// For web hooks.
pub(super) fn client(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            let pem = read_ca_file(path)?;
            let certificates = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
            roots.add_parsable_certificates(certificates);
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(Failure::temporary(
            "this host trusts no authority that signs certificates; install ca-certificates, or name one in ca_file",
        ));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::temporary(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// What was said of a certificate, with what to do about it.
pub(super) fn with_remedy(told: &str) -> String {
    if told.contains("certificate") {
        format!(
            "{told}; nothing was sent: correct the receiver's certificate, or name the authority that signed it in ca_file"
        )
    } else {
        told.to_owned()
    }
}
