/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/dtls-private: what certificate.c and dtls.c share. */
#pragma once

#include <openssl/ssl.h>

#include "rtc/dtls.h"

#define RTC_DTLS_ERROR (rtc_dtls_error_quark ())
GQuark rtc_dtls_error_quark (void);

SSL_CTX *rtc_certificate_get_context (RtcCertificate *self);
int rtc_dtls_verify (X509_STORE_CTX *store, void *data);
/* (transfer full) (nullable): "AB:CD:…" */
char *rtc_dtls_digest_x509 (X509 *x, const EVP_MD *md);
/* For tests, before the start: nothing is said again because the machine is
 * slow. */
void rtc_dtls_be_patient (RtcDtls *self);
