/** The texts of the error catalogue in German. A code without one does not compile. */

import type { ErrorTexts } from './error-texts.ts'

export const germanErrorTexts: ErrorTexts = {
  // Requests
  'malformed-request': {
    title: 'Die Anfrage konnte nicht gelesen werden.',
    remedy: 'Korrigieren Sie, was im Detail steht, und senden Sie sie erneut.',
  },
  'validation-failed': {
    title: 'Ein Wert in der Anfrage ist nicht erlaubt.',
    remedy: 'Korrigieren Sie die genannten Felder.',
  },
  'unsupported-content-format': {
    title: 'Dieses Inhaltsformat wird hier nicht unterstützt.',
    remedy: 'Senden Sie JSON (application/json) ohne Content-Encoding, oder ein anderes Format der Dokumentation.',
  },
  'not-acceptable': {
    title: 'Keine Darstellung passt zur Accept-Angabe.',
    remedy: 'Fordern Sie ein Format der Dokumentation an.',
  },
  'request-too-large': {
    title: 'Die Anfrage ist größer, als diese Ressource annimmt.',
    remedy: 'Senden Sie weniger.',
  },
  'message-too-long': {
    title: 'Eine Nachricht ist länger, als die Gegenstelle der Assoziation in einem Record annimmt.',
    remedy:
      'Übertragen Sie sie in Blöcken oder fordern Sie weniger an; die Gegenstelle begrenzt ihre Records (RFC 6066, RFC 8449).',
  },
  'bad-option': { title: 'Eine kritische CoAP-Option ist unbekannt.', remedy: 'Lassen Sie die Option weg.' },
  'block-sequence-broken': {
    title: 'Ein Block setzt die Übertragung nicht fort.',
    remedy: 'Beginnen Sie die Übertragung erneut bei Block 0.',
  },
  'not-found': { title: 'Unter dieser Adresse gibt es nichts.', remedy: 'Prüfen Sie Pfad und Kennung.' },
  'method-not-allowed': {
    title: 'Die Ressource kennt diese Methode nicht.',
    remedy: 'Verwenden Sie eine der Methoden, die der Header Allow nennt.',
  },
  conflict: {
    title: 'Die Anfrage widerspricht dem, was vorhanden ist.',
    remedy: 'Lesen Sie den aktuellen Zustand und entscheiden Sie neu.',
  },
  'precondition-failed': {
    title: 'Das Objekt hat sich geändert, seit es gelesen wurde.',
    remedy: 'Lesen Sie es erneut und wiederholen Sie die Änderung mit dem neuen ETag.',
  },
  'precondition-required': {
    title: 'Die Änderung braucht einen If-Match-Header.',
    remedy: 'Lesen Sie das Objekt und senden Sie sein ETag als If-Match.',
  },
  'idempotency-in-progress': {
    title: 'Eine Anfrage mit demselben Idempotency-Key ist noch in Arbeit.',
    remedy: 'Senden Sie sie nach Retry-After erneut: dann kommt die Antwort der ersten.',
  },
  'idempotency-key-reused': {
    title: 'Der Idempotency-Key wurde für etwas anderes verwendet.',
    remedy:
      'Nehmen Sie für jede Handlung einen neuen Schlüssel und denselben nur, um eine Anfrage unverändert zu wiederholen.',
  },
  'idempotency-answer-lost': {
    title: 'Das Verlangte wurde getan, doch die Antwort ging verloren.',
    remedy: 'Lesen Sie, was das Detail nennt; was nur einmal gezeigt wird, muss neu erzeugt werden.',
  },
  'freshness-required': {
    title: 'Die Anfrage kann unterwegs zurückgehalten worden sein.',
    remedy: 'Senden Sie sie mit dem Echo-Wert dieser Antwort erneut.',
  },
  'rate-limited': { title: 'Zu viele Anfragen.', remedy: 'Warten Sie so lange, wie Retry-After sagt.' },
  'origin-refused': {
    title: 'Die Anfrage kommt nicht von einer Seite dieser Anwendung.',
    remedy: 'Senden Sie sie von einer eigenen Seite der Anwendung, oder mit einem Zugriffstoken statt mit dem Cookie.',
  },
  // People
  'invalid-credentials': {
    title: 'Der Name oder das Passwort ist falsch.',
    remedy: 'Prüfen Sie beides und versuchen Sie es erneut.',
  },
  'token-missing': {
    title: 'Die Anfrage enthält kein Zugriffstoken.',
    remedy: 'Melden Sie sich an und senden Sie das Token als Bearer.',
  },
  'token-invalid': { title: 'Das Token ist ungültig.', remedy: 'Besorgen Sie ein neues Token.' },
  'token-expired': { title: 'Das Token ist abgelaufen.', remedy: 'Erneuern Sie es.' },
  'token-revoked': { title: 'Das Token wurde widerrufen.', remedy: 'Melden Sie sich erneut an.' },
  'refresh-failed': { title: 'Das Refresh-Token ist ungültig.', remedy: 'Melden Sie sich erneut an.' },
  'refresh-superseded': {
    title: 'Eine andere Anfrage hat dieses Refresh-Token gerade verwendet.',
    remedy: 'Verwenden Sie die Token der Anfrage, die zuerst kam.',
  },
  'api-key-invalid': {
    title: 'Der API-Schlüssel ist ungültig.',
    remedy:
      'Senden Sie einen Schlüssel so, wie er bei der Erstellung gezeigt wurde, als Bearer; ist er verloren, erstellen Sie einen neuen.',
  },
  'api-key-expired': {
    title: 'Der API-Schlüssel ist abgelaufen.',
    remedy: 'Erstellen Sie einen neuen Schlüssel und verwenden Sie diesen.',
  },
  'api-key-revoked': {
    title: 'Der API-Schlüssel wurde widerrufen.',
    remedy: 'Erstellen Sie einen neuen Schlüssel und verwenden Sie diesen, falls Sie es noch dürfen.',
  },
  'api-key-address-refused': {
    title: 'Der API-Schlüssel darf von dieser Adresse aus nicht verwendet werden.',
    remedy: 'Verwenden Sie ihn von einer erlaubten Adresse aus, oder lassen Sie diese ändern.',
  },
  'key-generation-failed': {
    title: 'Es konnte kein Schlüssel erzeugt werden, und nichts wurde gespeichert.',
    remedy: 'Versuchen Sie es erneut; der Betreiber sieht die Ursache im Protokoll.',
  },
  'person-required': {
    title: 'Das darf nur eine angemeldete Person, kein API-Schlüssel.',
    remedy: 'Melden Sie sich an und senden Sie das Zugriffstoken.',
  },
  'reauthentication-required': {
    title: 'Die Anmeldung liegt dafür zu lange zurück.',
    remedy: 'Senden Sie das Passwort an /api/v1/auth/reauthenticate und verwenden Sie das Zugriffstoken der Antwort.',
  },
  'email-unverified': {
    title: 'Die E-Mail-Adresse ist nicht bestätigt.',
    remedy:
      'Lassen Sie sich über /api/v1/me/email-verification eine Mail senden und bestätigen Sie mit dem Token darin.',
  },
  'email-verification-invalid': {
    title: 'Das Token der Bestätigungsmail ist nicht gültig.',
    remedy: 'Es wurde benutzt oder ersetzt oder ist abgelaufen: lassen Sie sich eine neue Mail senden.',
  },
  'permission-denied': {
    title: 'Die Berechtigung für diese Handlung fehlt.',
    remedy: 'Bitten Sie jemanden aus der Verwaltung Ihrer Organisation um die Berechtigung.',
  },
  'policy-violated': {
    title: 'Eine Richtlinie der Organisation verbietet diese Handlung.',
    remedy: 'Die Einzelheiten nennen die Richtlinie; siehe docs/organizations.md.',
  },
  'role-not-found': {
    title: 'Die Organisation hat keine Rolle dieses Namens.',
    remedy: 'Verwenden Sie einen Namen aus der Liste der Rollen.',
  },
  'invitation-invalid': {
    title: 'Die Einladung ist nicht gültig.',
    remedy: 'Sie wurde benutzt oder zurückgezogen oder ist abgelaufen: bitten Sie um eine neue.',
  },
  'sign-in-to-accept': {
    title: 'Die Adresse der Einladung hat ein Konto.',
    remedy: 'Melden Sie sich damit an und treten Sie mit demselben Token bei: POST /api/v1/organizations/join.',
  },
  // Certificates and paths
  'certificate-missing': {
    title: 'Die Gegenstelle hat kein Zertifikat gesendet.',
    remedy: 'Richten Sie ein Client-Zertifikat und seinen Schlüssel ein.',
  },
  'certificate-malformed': {
    title: 'Ein Zertifikat lässt sich nicht lesen.',
    remedy: 'Senden Sie DER-Zertifikate nach RFC 5280, das Blatt zuerst.',
  },
  'certificate-signature-invalid': {
    title: 'Eine Signatur der Kette stimmt nicht.',
    remedy: 'Senden Sie die Kette, die das Blatt wirklich ausgestellt hat.',
  },
  'certificate-expired': { title: 'Ein Zertifikat der Kette ist abgelaufen.', remedy: 'Erneuern Sie es.' },
  'certificate-not-yet-valid': {
    title: 'Ein Zertifikat der Kette ist noch nicht gültig.',
    remedy: 'Prüfen Sie die Uhr der ausstellenden Stelle.',
  },
  'certificate-revoked': {
    title: 'Das Zertifikat wurde widerrufen.',
    remedy: 'Provisionieren Sie das Gerät erneut, falls es zurückkommen darf.',
  },
  'certificate-authority-unknown': {
    title: 'Die Kette führt zu keiner vertrauten Zertifizierungsstelle.',
    remedy: 'Laden Sie die ausstellende Stelle in eine Gerätegruppe.',
  },
  'certificate-self-signed': {
    title: 'Das Blattzertifikat ist selbst signiert.',
    remedy: 'Verwenden Sie ein Zertifikat einer eingetragenen Zertifizierungsstelle.',
  },
  'certificate-purpose-wrong': {
    title: 'Das Zertifikat ist nicht für diesen Zweck ausgestellt.',
    remedy: 'Stellen Sie es mit der nötigen Schlüsselverwendung aus.',
  },
  'certificate-key-unsupported': {
    title: 'Das Zertifikat hat einen Schlüssel, der nicht erlaubt ist.',
    remedy: 'Verwenden Sie einen Schlüssel auf P-256 oder P-384.',
  },
  'certificate-constraint-violated': {
    title: 'Die Kette verletzt eine Beschränkung einer ihrer Stellen.',
    remedy: 'Prüfen Sie Basic Constraints, Pfadlänge, Namensbeschränkungen und kritische Erweiterungen.',
  },
  'certificate-path-too-long': {
    title: 'Die Kette ist länger, als angenommen wird.',
    remedy: 'Senden Sie nur die Kette, ohne überzählige Zertifikate.',
  },
  'certificate-not-recorded': {
    title: 'Das Zertifikat wurde von dieser Installation keinem bekannten Gerät ausgestellt.',
    remedy: 'Provisionieren Sie das Gerät beim dps.',
  },
  'proof-of-possession-failed': {
    title: 'Die Gegenstelle hat nicht bewiesen, dass sie den Schlüssel besitzt.',
    remedy: 'Signieren Sie mit dem Schlüssel des Zertifikats.',
  },
  'psk-wrong': {
    title: 'Die Gegenstelle hat nicht den Schlüssel zu ihrer PSK-Identität.',
    remedy: 'Geben Sie dem Gerät seinen gültigen Schlüssel oder registrieren Sie einen neuen.',
  },
  'psk-identity-unknown': {
    title: 'Mit dieser PSK-Identität ist kein Gerät registriert.',
    remedy: 'Registrieren Sie das Gerät in einer Gruppe, die PSK erlaubt.',
  },
  'psk-revoked': {
    title: 'Der vorab geteilte Schlüssel wurde widerrufen.',
    remedy: 'Registrieren Sie einen neuen Schlüssel für das Gerät.',
  },
  'psk-not-allowed': {
    title: 'Die Gerätegruppe erlaubt keine vorab geteilten Schlüssel.',
    remedy: 'Ändern Sie die Gruppe: allowsPsk.',
  },
  'handshake-failed': {
    title: 'Der DTLS-Handshake ist gescheitert.',
    remedy: 'Alert und Grund stehen im Detail.',
  },
  'handshake-timed-out': {
    title: 'Der DTLS-Handshake wurde nicht rechtzeitig fertig.',
    remedy: 'Prüfen Sie das Netz und versuchen Sie es erneut.',
  },
  'association-closed': { title: 'Die DTLS-Assoziation ist geschlossen.', remedy: 'Verbinden Sie sich erneut.' },
  // Provisioning
  'enrollment-missing': {
    title: 'Keine aktive Gerätegruppe umfasst das Gerät.',
    remedy: 'Laden Sie die Zertifizierungsstelle des Geräts in eine Gerätegruppe.',
  },
  'enrollment-disabled': {
    title: 'Die Gerätegruppe des Geräts ist abgeschaltet.',
    remedy: 'Schalten Sie die Gruppe ein.',
  },
  'device-blocked': {
    title: 'Das Gerät ist gesperrt.',
    remedy: 'Bitten Sie den Betreiber, es zu entsperren.',
  },
  'device-id-claimed': {
    title: 'Die Gerätekennung gehört einem anderen Herstellerschlüssel.',
    remedy: 'Verwenden Sie die eigene Kennung des Geräts, oder lassen Sie den alten Anspruch entfernen.',
  },
  'device-id-mismatch': {
    title: 'Die Gerätekennung passt nicht zum Zertifikat oder zur Anfrage.',
    remedy: 'Senden Sie in Zertifikat, Anfrage und Inhalt dieselbe Kennung.',
  },
  'request-certificate-malformed': {
    title: 'Der Zertifikatsantrag lässt sich nicht lesen.',
    remedy: 'Senden Sie einen PKCS#10-Antrag als DER oder PEM.',
  },
  'request-signature-invalid': {
    title: 'Der Zertifikatsantrag ist nicht mit seinem eigenen Schlüssel signiert.',
    remedy: 'Signieren Sie ihn mit dem Schlüssel, den er enthält.',
  },
  'request-key-weak': {
    title: 'Der Schlüssel des Zertifikatsantrags ist zu schwach.',
    remedy: 'Verwenden Sie einen Schlüssel auf P-256, P-384 oder Ed25519.',
  },
  'request-key-unsupported': {
    title: 'Der Schlüsseltyp des Zertifikatsantrags ist nicht erlaubt.',
    remedy: 'Verwenden Sie einen Schlüssel auf P-256, P-384 oder Ed25519.',
  },
  'request-subject-invalid': {
    title: 'Das Subjekt des Zertifikatsantrags ist keine Gerätekennung.',
    remedy: 'Verwenden Sie den Common Name uuid:<Gerätekennung>.',
  },
  'ownership-mismatch': {
    title: 'Das Gerät gehört einem anderen Eigentümer.',
    remedy: 'Lassen Sie es vom jetzigen Eigentümer freigeben.',
  },
  // Device identity at the gateway
  'onboarding-code-invalid': {
    title: 'Der Onboarding-Code ist falsch, benutzt oder abgelaufen.',
    remedy: 'Provisionieren Sie erneut und verwenden Sie den neuen Code.',
  },
  'device-not-registered': { title: 'Das Gerät ist nicht registriert.', remedy: 'Registrieren Sie es zuerst.' },
  'device-not-signed-in': { title: 'Das Gerät ist nicht angemeldet.', remedy: 'Melden Sie es zuerst an.' },
  'device-token-invalid': {
    title: 'Das Token des Geräts gilt hier nicht.',
    remedy: 'Erneuern Sie das Token, oder registrieren Sie das Gerät erneut.',
  },
  'device-offline': {
    title: 'Das Gerät ist offline.',
    remedy: 'Der Befehl wartet auf das Gerät; oder lesen Sie den Zwilling.',
  },
  'device-not-responding': {
    title: 'Das Gerät hat nicht rechtzeitig geantwortet.',
    remedy: 'Der Befehl bleibt stehen, bis er beantwortet ist oder verfällt.',
  },
  'device-refused': {
    title: 'Das Gerät hat die Anfrage abgelehnt.',
    remedy: 'Der Code, mit dem das Gerät geantwortet hat, steht in den Einzelheiten.',
  },
  // Keys and tokens of the installation
  'hsm-unavailable': {
    title: 'Das HSM-Token ist nicht benutzbar.',
    remedy: 'Prüfen Sie das Modul, den Namen des Tokens und die PIN-Datei.',
  },
  'hsm-key-missing': {
    title: 'Ein Schlüssel fehlt im HSM-Token.',
    remedy: 'Stellen Sie das Token wieder her, oder halten Sie die Schlüsselzeremonie ab.',
  },
  'hsm-signature-wrong': {
    title: 'Das HSM hat eine Signatur geliefert, die nicht stimmt.',
    remedy: 'Nehmen Sie das Token außer Betrieb.',
  },
  'sealed-value-invalid': {
    title: 'Ein versiegelter Wert lässt sich nicht öffnen.',
    remedy: 'Verwenden Sie die Schlüsselgeneration, die ihn versiegelt hat; ist es die richtige, wurde er verändert.',
  },
  'signing-key-missing': {
    title: 'Es gibt keinen aktiven Signaturschlüssel.',
    remedy: 'Führen Sie den Schlüsselwechsel aus.',
  },
  'issuance-refused': {
    title: 'Das Zertifikat genügt seinem eigenen Profil nicht.',
    remedy: 'Melden Sie es: das Profil oder der Aussteller ist falsch.',
  },
  // What we run on
  'configuration-invalid': {
    title: 'Die Konfiguration ist ungültig.',
    remedy: 'Korrigieren Sie die genannten Variablen.',
  },
  'database-unavailable': {
    title: 'Die Datenbank ist nicht erreichbar.',
    remedy: 'Versuchen Sie es erneut; der Betrieb sieht es in /readyz.',
  },
  'cache-unavailable': {
    title: 'Redis ist nicht erreichbar.',
    remedy: 'Versuchen Sie es erneut; der Betrieb sieht es in /readyz.',
  },
  'dependency-unavailable': {
    title: 'Ein Dienst, der hierfür nötig ist, ist nicht erreichbar.',
    remedy: 'Versuchen Sie es später erneut.',
  },
  'mail-refused': {
    title: 'Der Mailserver hat eine Mail endgültig abgelehnt.',
    remedy: 'Korrigieren Sie die Adresse, oder was der Mailserver am Absender beanstandet; dann erneut versuchen.',
  },
  overloaded: {
    title: 'Der Dienst ist ausgelastet.',
    remedy: 'Versuchen Sie es nach der Zeit, die Retry-After oder Max-Age nennt, erneut.',
  },
  'shutting-down': { title: 'Der Dienst fährt herunter.', remedy: 'Verbinden Sie sich erneut.' },
  'shard-lost': {
    title: 'Ein anderer Prozess hat diese Arbeit übernommen.',
    remedy: 'Senden Sie es erneut: der andere Prozess antwortet.',
  },
  'timed-out': { title: 'Die Arbeit hat zu lange gedauert.', remedy: 'Versuchen Sie es erneut.' },
  'malformed-bytes': {
    title: 'Die Bytes lassen sich nicht lesen.',
    remedy: 'Senden Sie, was die Spezifikation beschreibt.',
  },
  internal: {
    title: 'Auf unserer Seite ist etwas schiefgegangen.',
    remedy: 'Melden Sie es mit der Korrelationskennung.',
  },
}
