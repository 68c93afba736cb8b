/*
 * A DTLS 1.2 client on wolfSSL: sends its standard input as one record, prints the first record of the answer.
 *
 *   wolfssl-client HOST PORT TRUST-ANCHOR SUITE [CERTIFICATE KEY]
 *
 * SUITE as wolfSSL calls it. A fatal alert of the server is said on standard error as "alert NUMBER".
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

static WOLFSSL *ssl;

static void fail(const char *what)
{
    char text[WOLFSSL_MAX_ERROR_SZ];
    int error = ssl == NULL ? 0 : wolfSSL_get_error(ssl, 0);
    WOLFSSL_ALERT_HISTORY alerts;
    if (ssl != NULL && wolfSSL_get_alert_history(ssl, &alerts) == WOLFSSL_SUCCESS && alerts.last_rx.level == 2)
        fprintf(stderr, "alert %d\n", alerts.last_rx.code);
    fprintf(stderr, "%s: %d %s\n", what, error, wolfSSL_ERR_error_string(error, text));
    exit(1);
}

int main(int argc, char **argv)
{
    if (argc != 5 && argc != 7) return 2;
    fprintf(stderr, "wolfSSL %s\n", wolfSSL_lib_version());
    wolfSSL_Init();
    WOLFSSL_CTX *context = wolfSSL_CTX_new(wolfDTLSv1_2_client_method());
    if (context == NULL) fail("context");
    if (wolfSSL_CTX_load_verify_locations(context, argv[3], NULL) != WOLFSSL_SUCCESS) fail("trust anchor");
    if (wolfSSL_CTX_set_cipher_list(context, argv[4]) != WOLFSSL_SUCCESS) fail("suite");
    if (argc == 7) {
        if (wolfSSL_CTX_use_certificate_chain_file(context, argv[5]) != WOLFSSL_SUCCESS) fail("certificate");
        if (wolfSSL_CTX_use_PrivateKey_file(context, argv[6], WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS) fail("key");
    }
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[2]))};
    inet_pton(AF_INET, argv[1], &server.sin_addr);
    int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
    ssl = wolfSSL_new(context);
    if (ssl == NULL || descriptor < 0) fail("session");
    wolfSSL_check_domain_name(ssl, "localhost");
    wolfSSL_dtls_set_peer(ssl, &server, sizeof server);
    wolfSSL_set_fd(ssl, descriptor);
    if (wolfSSL_connect(ssl) != WOLFSSL_SUCCESS) fail("handshake");
    fprintf(stderr, "suite %s\n", wolfSSL_get_cipher_name(ssl));
    char record[2048];
    ssize_t length = read(STDIN_FILENO, record, sizeof record);
    if (wolfSSL_write(ssl, record, (int)length) <= 0) fail("write");
    int answered = wolfSSL_read(ssl, record, sizeof record);
    if (answered <= 0) fail("read");
    fwrite(record, 1, (size_t)answered, stdout);
    fflush(stdout);
    wolfSSL_shutdown(ssl);
    return 0;
}
