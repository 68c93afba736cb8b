/** The texts of the error catalogue in Spanish. A code without one does not compile. */

import type { ErrorTexts } from './error-texts.ts'

export const spanishErrorTexts: ErrorTexts = {
  // Requests
  'malformed-request': {
    title: 'No se pudo leer la petición.',
    remedy: 'Corrija lo que indica el detalle y envíela de nuevo.',
  },
  'validation-failed': {
    title: 'Un valor de la petición no está permitido.',
    remedy: 'Corrija los campos indicados.',
  },
  'unsupported-content-format': {
    title: 'Este formato de contenido no se admite aquí.',
    remedy: 'Envíe JSON (application/json) sin Content-Encoding, u otro formato de la documentación.',
  },
  'not-acceptable': {
    title: 'Ninguna representación corresponde a Accept.',
    remedy: 'Pida un formato de la documentación.',
  },
  'request-too-large': {
    title: 'La petición es mayor de lo que admite este recurso.',
    remedy: 'Envíe menos.',
  },
  'message-too-long': {
    title: 'Un mensaje es más largo de lo que el otro extremo de la asociación admite en un registro.',
    remedy: 'Transfiéralo por bloques o pida menos; el otro extremo limita sus registros (RFC 6066, RFC 8449).',
  },
  'bad-option': { title: 'No se entiende una opción CoAP crítica.', remedy: 'Omita la opción.' },
  'block-sequence-broken': {
    title: 'Un bloque no continúa la transferencia.',
    remedy: 'Empiece de nuevo la transferencia en el bloque 0.',
  },
  'not-found': { title: 'No hay nada en esta dirección.', remedy: 'Compruebe la ruta y el identificador.' },
  'method-not-allowed': {
    title: 'El recurso no tiene ese método.',
    remedy: 'Use uno de los métodos que da la cabecera Allow.',
  },
  conflict: {
    title: 'La petición está en conflicto con lo que hay.',
    remedy: 'Lea el estado actual y decida de nuevo.',
  },
  'precondition-failed': {
    title: 'El objeto ha cambiado desde que se leyó.',
    remedy: 'Léalo de nuevo y repita el cambio con el nuevo ETag.',
  },
  'precondition-required': {
    title: 'El cambio necesita una cabecera If-Match.',
    remedy: 'Lea el objeto y envíe su ETag en If-Match.',
  },
  'idempotency-in-progress': {
    title: 'Una petición con el mismo Idempotency-Key está en curso.',
    remedy: 'Envíela de nuevo tras Retry-After: entonces llegará la respuesta de la primera.',
  },
  'idempotency-key-reused': {
    title: 'El Idempotency-Key se usó para otra cosa.',
    remedy: 'Tome una clave nueva para cada acto, y la misma solo para repetir una petición tal cual.',
  },
  'idempotency-answer-lost': {
    title: 'Lo pedido se hizo, pero se perdió la respuesta.',
    remedy: 'Lea lo que indica el detalle; lo que solo se muestra una vez debe hacerse de nuevo.',
  },
  'freshness-required': {
    title: 'La petición pudo ser retenida en el camino.',
    remedy: 'Envíela de nuevo con el valor Echo de esta respuesta.',
  },
  'rate-limited': { title: 'Demasiadas peticiones.', remedy: 'Espere el tiempo que indica Retry-After.' },
  'origin-refused': {
    title: 'La petición no viene de una página de esta aplicación.',
    remedy: 'Envíela desde una página de la aplicación, o con un token de acceso en vez de la cookie.',
  },
  // People
  'invalid-credentials': {
    title: 'El nombre o la contraseña no es correcto.',
    remedy: 'Compruebe ambos e inténtelo de nuevo.',
  },
  'token-missing': {
    title: 'La petición no lleva token de acceso.',
    remedy: 'Inicie sesión y envíe el token como Bearer.',
  },
  'token-invalid': { title: 'El token no es válido.', remedy: 'Obtenga un token nuevo.' },
  'token-expired': { title: 'El token ha caducado.', remedy: 'Renuévelo.' },
  'token-revoked': { title: 'El token fue revocado.', remedy: 'Inicie sesión de nuevo.' },
  'refresh-failed': { title: 'El token de renovación no es válido.', remedy: 'Inicie sesión de nuevo.' },
  'refresh-superseded': {
    title: 'Otra petición acaba de usar este token de renovación.',
    remedy: 'Use los tokens de la petición que llegó primero.',
  },
  'api-key-invalid': {
    title: 'La clave de API no es válida.',
    remedy: 'Envíe una clave tal como se mostró al crearla, como Bearer; si se perdió, cree otra.',
  },
  'api-key-expired': {
    title: 'La clave de API ha caducado.',
    remedy: 'Cree otra clave y úsela.',
  },
  'api-key-revoked': {
    title: 'La clave de API fue revocada.',
    remedy: 'Cree otra clave y úsela, si aún tiene permiso.',
  },
  'api-key-address-refused': {
    title: 'La clave de API no se puede usar desde esta dirección.',
    remedy: 'Úsela desde una dirección permitida, o haga cambiar estas.',
  },
  'key-generation-failed': {
    title: 'No se pudo generar ninguna clave, y no se guardó nada.',
    remedy: 'Inténtelo de nuevo; el operador ve la causa en el registro.',
  },
  'person-required': {
    title: 'Solo una persona con sesión iniciada puede hacer esto, no una clave de API.',
    remedy: 'Inicie sesión y envíe el token de acceso.',
  },
  'reauthentication-required': {
    title: 'El inicio de sesión fue hace demasiado tiempo para esto.',
    remedy: 'Envíe la contraseña a /api/v1/auth/reauthenticate y use el token de acceso de la respuesta.',
  },
  'email-unverified': {
    title: 'La dirección de correo no está verificada.',
    remedy: 'Pida un correo en /api/v1/me/email-verification y confirme con el token que contiene.',
  },
  'email-verification-invalid': {
    title: 'El token del correo de verificación no es válido.',
    remedy: 'Fue usado o reemplazado, o ha caducado: pida otro correo.',
  },
  'permission-denied': {
    title: 'Falta el permiso para este acto.',
    remedy: 'Pida el permiso a la administración de su organización.',
  },
  'policy-violated': {
    title: 'Una política de la organización prohíbe este acto.',
    remedy: 'Los detalles nombran la política; véase docs/organizations.md.',
  },
  'role-not-found': {
    title: 'La organización no tiene ningún rol con ese nombre.',
    remedy: 'Use un nombre de la lista de roles.',
  },
  'invitation-invalid': {
    title: 'La invitación no es válida.',
    remedy: 'Fue usada o retirada, o ha caducado: pida otra.',
  },
  'sign-in-to-accept': {
    title: 'La dirección de la invitación tiene una cuenta.',
    remedy: 'Inicie sesión en ella y únase con el mismo token: POST /api/v1/organizations/join.',
  },
  // Certificates and paths
  'certificate-missing': {
    title: 'El otro extremo no envió ningún certificado.',
    remedy: 'Configure un certificado de cliente y su clave.',
  },
  'certificate-malformed': {
    title: 'No se puede leer un certificado.',
    remedy: 'Envíe certificados DER según la RFC 5280, primero la hoja.',
  },
  'certificate-signature-invalid': {
    title: 'Una firma de la cadena no se verifica.',
    remedy: 'Envíe la cadena que de verdad emitió la hoja.',
  },
  'certificate-expired': { title: 'Un certificado de la cadena ha caducado.', remedy: 'Renuévelo.' },
  'certificate-not-yet-valid': {
    title: 'Un certificado de la cadena aún no es válido.',
    remedy: 'Compruebe el reloj del emisor.',
  },
  'certificate-revoked': {
    title: 'El certificado fue revocado.',
    remedy: 'Aprovisione de nuevo el dispositivo, si puede volver.',
  },
  'certificate-authority-unknown': {
    title: 'La cadena no lleva a ninguna autoridad de certificación de confianza.',
    remedy: 'Cargue la autoridad emisora en un grupo de dispositivos.',
  },
  'certificate-self-signed': {
    title: 'El certificado hoja está firmado por sí mismo.',
    remedy: 'Use un certificado emitido por una autoridad registrada.',
  },
  'certificate-purpose-wrong': {
    title: 'El certificado no está hecho para este uso.',
    remedy: 'Emítalo con los usos de clave necesarios.',
  },
  'certificate-key-unsupported': {
    title: 'El certificado tiene una clave que no se admite.',
    remedy: 'Use una clave P-256 o P-384.',
  },
  'certificate-constraint-violated': {
    title: 'La cadena incumple una restricción de una de sus autoridades.',
    remedy: 'Compruebe las restricciones básicas, la longitud de la ruta, los nombres y las extensiones críticas.',
  },
  'certificate-path-too-long': {
    title: 'La cadena es más larga de lo que se admite.',
    remedy: 'Envíe solo la cadena, sin certificados sobrantes.',
  },
  'certificate-not-recorded': {
    title: 'Esta instalación no emitió el certificado para un dispositivo conocido.',
    remedy: 'Aprovisione el dispositivo en el dps.',
  },
  'proof-of-possession-failed': {
    title: 'El otro extremo no demostró que posee la clave.',
    remedy: 'Firme con la clave del certificado.',
  },
  'psk-wrong': {
    title: 'El otro extremo no tiene la clave de su identidad PSK.',
    remedy: 'Dé al dispositivo su clave actual, o registre una nueva.',
  },
  'psk-identity-unknown': {
    title: 'Ningún dispositivo está registrado con esta identidad PSK.',
    remedy: 'Registre el dispositivo en un grupo que admita PSK.',
  },
  'psk-revoked': {
    title: 'La clave precompartida fue revocada.',
    remedy: 'Registre una clave nueva para el dispositivo.',
  },
  'psk-not-allowed': {
    title: 'El grupo de dispositivos no admite claves precompartidas.',
    remedy: 'Cambie el grupo: allowsPsk.',
  },
  'handshake-failed': {
    title: 'La negociación DTLS falló.',
    remedy: 'La alerta y la razón están en el detalle.',
  },
  'handshake-timed-out': {
    title: 'La negociación DTLS no terminó a tiempo.',
    remedy: 'Compruebe la red e inténtelo de nuevo.',
  },
  'association-closed': { title: 'La asociación DTLS está cerrada.', remedy: 'Conéctese de nuevo.' },
  // Provisioning
  'enrollment-missing': {
    title: 'Ningún grupo de dispositivos activo abarca el dispositivo.',
    remedy: 'Cargue la autoridad del dispositivo en un grupo.',
  },
  'enrollment-disabled': {
    title: 'El grupo del dispositivo está desactivado.',
    remedy: 'Active el grupo.',
  },
  'device-blocked': {
    title: 'El dispositivo está bloqueado.',
    remedy: 'Pida al operador que lo desbloquee.',
  },
  'device-id-claimed': {
    title: 'El identificador de dispositivo pertenece a otra clave de fabricante.',
    remedy: 'Use el identificador propio del dispositivo, o haga retirar la atribución antigua.',
  },
  'device-id-mismatch': {
    title: 'El identificador de dispositivo no coincide con el certificado o la petición.',
    remedy: 'Envíe el mismo identificador en el certificado, la petición y el cuerpo.',
  },
  'request-certificate-malformed': {
    title: 'No se puede leer la solicitud de certificado.',
    remedy: 'Envíe una solicitud PKCS#10, DER o PEM.',
  },
  'request-signature-invalid': {
    title: 'La solicitud de certificado no está firmada con su propia clave.',
    remedy: 'Fírmela con la clave que lleva.',
  },
  'request-key-weak': {
    title: 'La clave de la solicitud de certificado es demasiado débil.',
    remedy: 'Use una clave P-256, P-384 o Ed25519.',
  },
  'request-key-unsupported': {
    title: 'El tipo de clave de la solicitud de certificado no se admite.',
    remedy: 'Use una clave P-256, P-384 o Ed25519.',
  },
  'request-subject-invalid': {
    title: 'El sujeto de la solicitud de certificado no es un identificador de dispositivo.',
    remedy: 'Use el nombre común uuid:<identificador>.',
  },
  'ownership-mismatch': {
    title: 'El dispositivo pertenece a otro propietario.',
    remedy: 'Haga que lo libere el propietario actual.',
  },
  // Device identity at the gateway
  'onboarding-code-invalid': {
    title: 'El código de incorporación es falso, usado o caducado.',
    remedy: 'Aprovisione de nuevo y use el código nuevo.',
  },
  'device-not-registered': { title: 'El dispositivo no está registrado.', remedy: 'Regístrelo primero.' },
  'device-not-signed-in': {
    title: 'El dispositivo no ha iniciado sesión.',
    remedy: 'Inicie primero su sesión.',
  },
  'device-token-invalid': {
    title: 'El token del dispositivo no vale aquí.',
    remedy: 'Renueve el token, o registre de nuevo el dispositivo.',
  },
  'device-offline': {
    title: 'El dispositivo está desconectado.',
    remedy: 'La orden espera al dispositivo; o lea el gemelo.',
  },
  'device-not-responding': {
    title: 'El dispositivo no respondió a tiempo.',
    remedy: 'La orden queda pendiente hasta que se responda o caduque.',
  },
  'device-refused': {
    title: 'El dispositivo rechazó la petición.',
    remedy: 'Los detalles dan el código con el que respondió el dispositivo.',
  },
  // Keys and tokens of the installation
  'hsm-unavailable': {
    title: 'No se puede usar el token HSM.',
    remedy: 'Compruebe el módulo, el nombre del token y el archivo del PIN.',
  },
  'hsm-key-missing': {
    title: 'Falta una clave en el token HSM.',
    remedy: 'Restaure el token, o celebre la ceremonia de claves.',
  },
  'hsm-signature-wrong': {
    title: 'El HSM devolvió una firma que no se verifica.',
    remedy: 'Retire el token del servicio.',
  },
  'sealed-value-invalid': {
    title: 'No se puede abrir un valor sellado.',
    remedy: 'Use la generación de clave que lo selló; si es la correcta, el valor fue alterado.',
  },
  'signing-key-missing': {
    title: 'No hay ninguna clave de firma activa.',
    remedy: 'Ejecute la rotación de claves.',
  },
  'issuance-refused': {
    title: 'El certificado no cumple su propio perfil.',
    remedy: 'Comuníquelo: el perfil o el emisor está mal.',
  },
  // What we run on
  'configuration-invalid': {
    title: 'La configuración no es válida.',
    remedy: 'Corrija las variables indicadas.',
  },
  'database-unavailable': {
    title: 'No se puede acceder a la base de datos.',
    remedy: 'Inténtelo de nuevo; el operador lo ve en /readyz.',
  },
  'cache-unavailable': {
    title: 'No se puede acceder a Redis.',
    remedy: 'Inténtelo de nuevo; el operador lo ve en /readyz.',
  },
  'dependency-unavailable': {
    title: 'No se puede acceder a un servicio necesario.',
    remedy: 'Inténtelo más tarde.',
  },
  'mail-refused': {
    title: 'El servidor de correo rechazó un mensaje definitivamente.',
    remedy: 'Corrija la dirección, o lo que el servidor objeta al remitente, e inténtelo de nuevo.',
  },
  overloaded: {
    title: 'El servicio está al límite.',
    remedy: 'Inténtelo de nuevo tras el tiempo que indica Retry-After o Max-Age.',
  },
  'shutting-down': { title: 'El servicio se está deteniendo.', remedy: 'Conéctese de nuevo.' },
  'shard-lost': {
    title: 'Otro proceso se ha hecho cargo de este trabajo.',
    remedy: 'Envíelo de nuevo: responde el otro proceso.',
  },
  'timed-out': { title: 'El trabajo tardó demasiado.', remedy: 'Inténtelo de nuevo.' },
  'malformed-bytes': {
    title: 'No se pueden leer los bytes.',
    remedy: 'Envíe lo que describe la especificación.',
  },
  internal: {
    title: 'Algo salió mal por nuestra parte.',
    remedy: 'Comuníquelo con el identificador de correlación.',
  },
}
