// A DTLS 1.2 client on pion: sends its standard input as one record, prints the first record of the answer.
//
//	pion-client HOST PORT TRUST-ANCHOR SUITE [CERTIFICATE KEY]
//
// SUITE as the IANA calls it. What went wrong, an alert of the server among it, is said on standard error.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/pion/dtls/v2"
)

var suites = map[string]dtls.CipherSuiteID{
	"TLS_ECDHE_ECDSA_WITH_AES_128_CCM":        dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM,
	"TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8":      dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8,
	"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
}

func must(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

func main() {
	port, err := strconv.Atoi(os.Args[2])
	must("port", err)
	anchor, err := os.ReadFile(os.Args[3])
	must("trust anchor", err)
	anchors := x509.NewCertPool()
	anchors.AppendCertsFromPEM(anchor)
	suite, known := suites[os.Args[4]]
	if !known {
		must("suite", fmt.Errorf("pion has no %s", os.Args[4]))
	}
	config := &dtls.Config{
		RootCAs:              anchors,
		ServerName:           "localhost",
		CipherSuites:         []dtls.CipherSuiteID{suite},
		ExtendedMasterSecret: dtls.RequireExtendedMasterSecret,
	}
	if len(os.Args) > 5 {
		certificate, err := tls.LoadX509KeyPair(os.Args[5], os.Args[6])
		must("certificate", err)
		config.Certificates = []tls.Certificate{certificate}
	}
	limit, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	connection, err := dtls.DialWithContext(limit, "udp", &net.UDPAddr{IP: net.ParseIP(os.Args[1]), Port: port}, config)
	must("handshake", err)
	record := make([]byte, 2048)
	length, err := os.Stdin.Read(record)
	must("input", err)
	_, err = connection.Write(record[:length])
	must("write", err)
	length, err = connection.Read(record)
	must("read", err)
	_, err = os.Stdout.Write(record[:length])
	must("output", err)
	must("close", connection.Close())
}
