/**
 * What the details of problems say, in the languages beside English. A detail is looked up by its English text, in which
 * `{…}` stands for what differs from one to the next; those parts are taken over as they are.
 *
 * A detail that is not here is answered with the remedy of its code: it is less exact, and never in a language that was not
 * asked for. The test of this table finds entries that nothing says any more.
 */

import type { Language } from '@sallyport/errors'

type Translations = Readonly<Record<Exclude<Language, 'en'>, string>>

const longestDetail = 2000

export const detailTexts: Readonly<Record<string, Translations>> = {
  // Requests
  'There is nothing at this address.': {
    de: 'Unter dieser Adresse gibt es nichts.',
    fr: 'Il n’y a rien à cette adresse.',
    es: 'No hay nada en esta dirección.',
  },
  'Allowed here: {methods}.': {
    de: 'Hier erlaubt: {methods}.',
    fr: 'Admis ici : {methods}.',
    es: 'Permitido aquí: {methods}.',
  },
  'Send the body without a content encoding.': {
    de: 'Senden Sie den Inhalt ohne Content-Encoding (unkomprimiert).',
    fr: 'Envoyez le corps sans Content-Encoding (non compressé).',
    es: 'Envíe el cuerpo sin Content-Encoding (sin comprimir).',
  },
  'A request with the cookie comes from a page of this origin alone.': {
    de: 'Eine Anfrage mit dem Cookie kommt nur von einer Seite dieses Ursprungs.',
    fr: 'Une requête avec le cookie ne vient que d’une page de cette origine.',
    es: 'Una petición con la cookie solo viene de una página de este origen.',
  },
  'Send the ETag that you read as If-Match.': {
    de: 'Senden Sie das gelesene ETag als If-Match.',
    fr: 'Envoyez l’ETag lu comme If-Match.',
    es: 'Envíe como If-Match el ETag que leyó.',
  },
  'If-Match is not an ETag of this object.': {
    de: 'If-Match ist kein ETag dieses Objekts.',
    fr: 'If-Match n’est pas un ETag de cet objet.',
    es: 'If-Match no es un ETag de este objeto.',
  },
  'The {object} has version {present}, not {expected}.': {
    de: 'Das Objekt hat Version {present}, nicht {expected}.',
    fr: 'L’objet a la version {present}, pas {expected}.',
    es: 'El objeto tiene la versión {present}, no {expected}.',
  },
  'This Idempotency-Key came with another request before.': {
    de: 'Dieser Idempotency-Key kam schon mit einer anderen Anfrage.',
    fr: 'Cet Idempotency-Key est déjà venu avec une autre requête.',
    es: 'Este Idempotency-Key ya vino con otra petición.',
  },
  'The first request with this Idempotency-Key is not answered yet.': {
    de: 'Die erste Anfrage mit diesem Idempotency-Key ist noch nicht beantwortet.',
    fr: 'La première requête avec cet Idempotency-Key n’a pas encore de réponse.',
    es: 'La primera petición con este Idempotency-Key aún no tiene respuesta.',
  },
  'Another request with this Idempotency-Key was first.': {
    de: 'Eine andere Anfrage mit diesem Idempotency-Key kam zuerst.',
    fr: 'Une autre requête avec cet Idempotency-Key est arrivée la première.',
    es: 'Otra petición con este Idempotency-Key llegó primero.',
  },
  'It was done at {time}: see {kind} {id}.': {
    de: 'Es wurde um {time} getan: siehe {kind} {id}.',
    fr: 'Cela a été fait à {time} : voir {kind} {id}.',
    es: 'Se hizo a las {time}: véase {kind} {id}.',
  },
  'Idempotency-Key: send 1 to 255 visible ASCII characters, once.': {
    de: 'Idempotency-Key: senden Sie 1 bis 255 sichtbare ASCII-Zeichen, einmal.',
    fr: 'Idempotency-Key : envoyez de 1 à 255 caractères ASCII visibles, une fois.',
    es: 'Idempotency-Key: envíe de 1 a 255 caracteres ASCII visibles, una vez.',
  },
  'More than {count} requests in a minute.': {
    de: 'Mehr als {count} Anfragen in einer Minute.',
    fr: 'Plus de {count} requêtes en une minute.',
    es: 'Más de {count} peticiones en un minuto.',
  },
  'The representation is nested deeper than {depth}.': {
    de: 'Die Darstellung ist tiefer als {depth} verschachtelt.',
    fr: 'La représentation est imbriquée à plus de {depth} niveaux.',
    es: 'La representación está anidada a más de {depth} niveles.',
  },
  'Send a JSON value.': {
    de: 'Senden Sie einen JSON-Wert.',
    fr: 'Envoyez une valeur JSON.',
    es: 'Envíe un valor JSON.',
  },
  '{text} is not an RFC 3339 time.': {
    de: '{text} ist keine Zeit nach RFC 3339.',
    fr: '{text} n’est pas une heure RFC 3339.',
    es: '{text} no es una hora RFC 3339.',
  },
  'The cursor is not one of this list.': {
    de: 'Der Cursor gehört nicht zu dieser Liste.',
    fr: 'Le curseur n’est pas de cette liste.',
    es: 'El cursor no es de esta lista.',
  },
  'A value cannot be stored as it is.': {
    de: 'Ein Wert lässt sich so nicht speichern.',
    fr: 'Une valeur ne peut pas être enregistrée telle quelle.',
    es: 'Un valor no se puede guardar tal cual.',
  },
  'There is such a one already.': {
    de: 'So etwas gibt es schon.',
    fr: 'Il en existe déjà un tel.',
    es: 'Ya existe uno así.',
  },
  // People
  'The name or the password is wrong.': {
    de: 'Der Name oder das Passwort ist falsch.',
    fr: 'Le nom ou le mot de passe est faux.',
    es: 'El nombre o la contraseña no es correcto.',
  },
  'Send username or email.': {
    de: 'Senden Sie username oder email.',
    fr: 'Envoyez username ou email.',
    es: 'Envíe username o email.',
  },
  'Too many attempts to log in.': {
    de: 'Zu viele Anmeldeversuche.',
    fr: 'Trop de tentatives de connexion.',
    es: 'Demasiados intentos de inicio de sesión.',
  },
  'Too many logins at once.': {
    de: 'Zu viele Anmeldungen auf einmal.',
    fr: 'Trop de connexions à la fois.',
    es: 'Demasiados inicios de sesión a la vez.',
  },
  'Nobody can log in while Redis cannot be reached.': {
    de: 'Niemand kann sich anmelden, solange Redis nicht erreichbar ist.',
    fr: 'Personne ne peut se connecter tant que Redis n’est pas joignable.',
    es: 'Nadie puede iniciar sesión mientras no se pueda acceder a Redis.',
  },
  'Sessions cannot be reached now.': {
    de: 'Die Sitzungen sind gerade nicht erreichbar.',
    fr: 'Les sessions ne sont pas joignables en ce moment.',
    es: 'No se puede acceder a las sesiones ahora.',
  },
  'Send the access token as Bearer.': {
    de: 'Senden Sie das Zugriffstoken als Bearer.',
    fr: 'Envoyez le jeton d’accès comme Bearer.',
    es: 'Envíe el token de acceso como Bearer.',
  },
  'The Authorization header holds no Bearer token.': {
    de: 'Der Header Authorization enthält kein Bearer-Token.',
    fr: 'L’en-tête Authorization ne contient pas de jeton Bearer.',
    es: 'La cabecera Authorization no contiene ningún token Bearer.',
  },
  'The session has ended.': {
    de: 'Die Sitzung ist beendet.',
    fr: 'La session est terminée.',
    es: 'La sesión ha terminado.',
  },
  'The person is no member any more.': {
    de: 'Die Person ist kein Mitglied mehr.',
    fr: 'La personne n’est plus membre.',
    es: 'La persona ya no es miembro.',
  },
  'The refresh token is not valid.': {
    de: 'Das Refresh-Token ist ungültig.',
    fr: 'Le jeton de renouvellement n’est pas valide.',
    es: 'El token de renovación no es válido.',
  },
  'Another request has just used this refresh token.': {
    de: 'Eine andere Anfrage hat dieses Refresh-Token gerade verwendet.',
    fr: 'Une autre requête vient d’utiliser ce jeton de renouvellement.',
    es: 'Otra petición acaba de usar este token de renovación.',
  },
  'The permission {permission} is missing.': {
    de: 'Die Berechtigung {permission} fehlt.',
    fr: 'La permission {permission} manque.',
    es: 'Falta el permiso {permission}.',
  },
  // API keys, and what making them asks for
  'The API key is not valid.': {
    de: 'Der API-Schlüssel ist ungültig.',
    fr: 'La clé d’API n’est pas valide.',
    es: 'La clave de API no es válida.',
  },
  'The API key was revoked.': {
    de: 'Der API-Schlüssel wurde widerrufen.',
    fr: 'La clé d’API a été révoquée.',
    es: 'La clave de API fue revocada.',
  },
  'The API key has expired.': {
    de: 'Der API-Schlüssel ist abgelaufen.',
    fr: 'La clé d’API a expiré.',
    es: 'La clave de API ha caducado.',
  },
  'The API key may not be used from this address.': {
    de: 'Der API-Schlüssel darf von dieser Adresse aus nicht verwendet werden.',
    fr: 'La clé d’API ne peut pas être utilisée depuis cette adresse.',
    es: 'La clave de API no se puede usar desde esta dirección.',
  },
  'Whoever made the API key is no member any more.': {
    de: 'Wer den API-Schlüssel erstellt hat, ist kein Mitglied mehr.',
    fr: 'La personne qui a créé la clé d’API n’est plus membre.',
    es: 'Quien creó la clave de API ya no es miembro.',
  },
  'There is no such API key.': {
    de: 'Einen solchen API-Schlüssel gibt es nicht.',
    fr: 'Il n’y a pas de telle clé d’API.',
    es: 'No existe tal clave de API.',
  },
  'The key does not have {permissions}: make another one.': {
    de: 'Der Schlüssel hat {permissions} nicht: erstellen Sie einen anderen.',
    fr: 'La clé n’a pas {permissions} : créez-en une autre.',
    es: 'La clave no tiene {permissions}: cree otra.',
  },
  'A person has at most {count} API keys: revoke one first.': {
    de: 'Eine Person hat höchstens {count} API-Schlüssel: widerrufen Sie zuerst einen.',
    fr: 'Une personne a au plus {count} clés d’API : révoquez-en d’abord une.',
    es: 'Una persona tiene como máximo {count} claves de API: revoque antes una.',
  },
  'expiresAt: send a time that is to come, within 366 days.': {
    de: 'expiresAt: senden Sie eine kommende Zeit, innerhalb von 366 Tagen.',
    fr: 'expiresAt : envoyez une heure à venir, dans les 366 jours.',
    es: 'expiresAt: envíe una hora futura, dentro de 366 días.',
  },
  '{text} is neither an address nor a network.': {
    de: '{text} ist weder eine Adresse noch ein Netz.',
    fr: '{text} n’est ni une adresse ni un réseau.',
    es: '{text} no es una dirección ni una red.',
  },
  'Only a person who is logged in may do this, not an API key.': {
    de: 'Das darf nur eine angemeldete Person, kein API-Schlüssel.',
    fr: 'Seule une personne connectée peut faire cela, pas une clé d’API.',
    es: 'Solo una persona con sesión iniciada puede hacer esto, no una clave de API.',
  },
  'The log-in is too long ago for this.': {
    de: 'Die Anmeldung liegt dafür zu lange zurück.',
    fr: 'La connexion est trop ancienne pour cela.',
    es: 'El inicio de sesión fue hace demasiado tiempo para esto.',
  },
  'The e-mail address is not verified.': {
    de: 'Die E-Mail-Adresse ist nicht bestätigt.',
    fr: 'L’adresse de courriel n’est pas vérifiée.',
    es: 'La dirección de correo no está verificada.',
  },
  'The address is verified already.': {
    de: 'Die Adresse ist schon bestätigt.',
    fr: 'L’adresse est déjà vérifiée.',
    es: 'La dirección ya está verificada.',
  },
  'A mail went out within the last minute.': {
    de: 'In der letzten Minute ging schon eine Mail hinaus.',
    fr: 'Un courriel est déjà parti dans la dernière minute.',
    es: 'Ya salió un correo en el último minuto.',
  },
  'No mail server is configured here.': {
    de: 'Hier ist kein Mailserver eingerichtet.',
    fr: 'Aucun serveur de courriel n’est configuré ici.',
    es: 'Aquí no hay ningún servidor de correo configurado.',
  },
  'The token is not valid.': {
    de: 'Das Token ist ungültig.',
    fr: 'Le jeton n’est pas valide.',
    es: 'El token no es válido.',
  },
  'The password is wrong.': {
    de: 'Das Passwort ist falsch.',
    fr: 'Le mot de passe est faux.',
    es: 'La contraseña no es correcta.',
  },
  // The organization
  'An organization keeps an owner: make somebody else one first.': {
    de: 'Eine Organisation behält einen Eigentümer: machen Sie zuerst jemand anderen dazu.',
    fr: 'Une organisation garde un propriétaire : nommez-en d’abord un autre.',
    es: 'Una organización conserva un propietario: nombre antes a otro.',
  },
  'Only who has {permissions} may give or take it.': {
    de: 'Nur wer {permissions} hat, darf es geben oder nehmen.',
    fr: 'Seul qui a {permissions} peut le donner ou le retirer.',
    es: 'Solo quien tiene {permissions} puede darlo o quitarlo.',
  },
  'There is no role {name}.': {
    de: 'Es gibt keine Rolle {name}.',
    fr: 'Il n’y a pas de rôle {name}.',
    es: 'No hay ningún rol {name}.',
  },
  'There is a role {name} already.': {
    de: 'Es gibt schon eine Rolle {name}.',
    fr: 'Il y a déjà un rôle {name}.',
    es: 'Ya hay un rol {name}.',
  },
  '{name} is a built-in role.': {
    de: '{name} ist eine eingebaute Rolle.',
    fr: '{name} est un rôle intégré.',
    es: '{name} es un rol incorporado.',
  },
  'Somebody has the role, or is invited to it.': {
    de: 'Jemand hat die Rolle oder ist zu ihr eingeladen.',
    fr: 'Quelqu’un a ce rôle, ou y est invité.',
    es: 'Alguien tiene el rol, o está invitado a él.',
  },
  'There is no such role of the organization’s own.': {
    de: 'Eine solche eigene Rolle hat die Organisation nicht.',
    fr: 'L’organisation n’a pas de tel rôle à elle.',
    es: 'La organización no tiene tal rol propio.',
  },
  'There is no such member.': {
    de: 'Ein solches Mitglied gibt es nicht.',
    fr: 'Il n’y a pas de tel membre.',
    es: 'No existe tal miembro.',
  },
  'There is no such open invitation.': {
    de: 'Eine solche offene Einladung gibt es nicht.',
    fr: 'Il n’y a pas de telle invitation ouverte.',
    es: 'No existe tal invitación abierta.',
  },
  'The invitation is not valid.': {
    de: 'Die Einladung ist nicht gültig.',
    fr: 'L’invitation n’est pas valide.',
    es: 'La invitación no es válida.',
  },
  'There is an account with this address: sign in to it.': {
    de: 'Zu dieser Adresse gibt es ein Konto: melden Sie sich damit an.',
    fr: 'Il y a un compte avec cette adresse : connectez-vous avec lui.',
    es: 'Hay una cuenta con esta dirección: inicie sesión en ella.',
  },
  'You are in no such organization.': {
    de: 'In einer solchen Organisation sind Sie nicht.',
    fr: 'Vous n’êtes dans aucune organisation de ce genre.',
    es: 'No está en tal organización.',
  },
  'You are a member already.': {
    de: 'Sie sind schon Mitglied.',
    fr: 'Vous êtes déjà membre.',
    es: 'Ya es miembro.',
  },
  'The membership has ended already.': {
    de: 'Die Mitgliedschaft ist schon zu Ende.',
    fr: 'L’appartenance a déjà pris fin.',
    es: 'La pertenencia ya ha terminado.',
  },
  'One person is in at most {most} organizations.': {
    de: 'Eine Person ist in höchstens {most} Organisationen.',
    fr: 'Une personne est dans {most} organisations au plus.',
    es: 'Una persona está en {most} organizaciones como máximo.',
  },
  'One person makes at most {most} organizations.': {
    de: 'Eine Person legt höchstens {most} Organisationen an.',
    fr: 'Une personne crée {most} organisations au plus.',
    es: 'Una persona crea {most} organizaciones como máximo.',
  },
  'This installation does not let you make an organization.': {
    de: 'Diese Installation lässt Sie keine Organisation anlegen.',
    fr: 'Cette installation ne vous laisse pas créer d’organisation.',
    es: 'Esta instalación no le deja crear una organización.',
  },
  'No mail can go to this address.': {
    de: 'An diese Adresse kann keine Mail gehen.',
    fr: 'Aucun courriel ne peut aller à cette adresse.',
    es: 'No puede ir correo a esta dirección.',
  },
  'The address is a member’s already.': {
    de: 'Die Adresse gehört schon einem Mitglied.',
    fr: 'L’adresse est déjà celle d’un membre.',
    es: 'La dirección ya es de un miembro.',
  },
  'The username is taken.': {
    de: 'Der Benutzername ist vergeben.',
    fr: 'Le nom d’utilisateur est pris.',
    es: 'El nombre de usuario está ocupado.',
  },
  // Devices
  'There is no such device.': {
    de: 'Ein solches Gerät gibt es nicht.',
    fr: 'Il n’y a pas de tel appareil.',
    es: 'No existe tal dispositivo.',
  },
  'There is no such enrollment group.': {
    de: 'Eine solche Gerätegruppe gibt es nicht.',
    fr: 'Il n’y a pas de tel groupe d’appareils.',
    es: 'No existe tal grupo de dispositivos.',
  },
  'The authority belongs to an enrollment group already.': {
    de: 'Die Zertifizierungsstelle gehört schon zu einer Gerätegruppe.',
    fr: 'L’autorité appartient déjà à un groupe d’appareils.',
    es: 'La autoridad ya pertenece a un grupo de dispositivos.',
  },
  'The chain holds a private key. Send certificates only, and replace that key.': {
    de: 'Die Kette enthält einen privaten Schlüssel. Senden Sie nur Zertifikate, und ersetzen Sie diesen Schlüssel.',
    fr: 'La chaîne contient une clé privée. N’envoyez que des certificats, et remplacez cette clé.',
    es: 'La cadena contiene una clave privada. Envíe solo certificados, y reemplace esa clave.',
  },
  'The chain has {count} certificates; at most {limit}.': {
    de: 'Die Kette hat {count} Zertifikate; höchstens {limit}.',
    fr: 'La chaîne a {count} certificats ; au plus {limit}.',
    es: 'La cadena tiene {count} certificados; como máximo {limit}.',
  },
  'No certificate of the chain has the common name {name}; it has {names}.': {
    de: 'Kein Zertifikat der Kette hat den Common Name {name}; sie hat {names}.',
    fr: 'Aucun certificat de la chaîne n’a le nom commun {name} ; elle a {names}.',
    es: 'Ningún certificado de la cadena tiene el nombre común {name}; tiene {names}.',
  },
  'The enrollment group does not allow pre-shared keys.': {
    de: 'Die Gerätegruppe erlaubt keine vorab geteilten Schlüssel.',
    fr: 'Le groupe d’appareils n’admet pas les clés prépartagées.',
    es: 'El grupo de dispositivos no admite claves precompartidas.',
  },
  'There is no such pre-shared key.': {
    de: 'Einen solchen vorab geteilten Schlüssel gibt es nicht.',
    fr: 'Il n’y a pas de telle clé prépartagée.',
    es: 'No existe tal clave precompartida.',
  },
  'There is no such device with a pre-shared key.': {
    de: 'Ein solches Gerät mit vorab geteiltem Schlüssel gibt es nicht.',
    fr: 'Il n’y a pas de tel appareil avec une clé prépartagée.',
    es: 'No existe tal dispositivo con una clave precompartida.',
  },
  'The device is offline; the twin holds its last report.': {
    de: 'Das Gerät ist offline; der Zwilling enthält seine letzte Meldung.',
    fr: 'L’appareil est hors ligne ; le jumeau contient son dernier rapport.',
    es: 'El dispositivo está desconectado; el gemelo contiene su último informe.',
  },
  'The device did not answer in time.': {
    de: 'Das Gerät hat nicht rechtzeitig geantwortet.',
    fr: 'L’appareil n’a pas répondu à temps.',
    es: 'El dispositivo no respondió a tiempo.',
  },
  'The request could not be sent to the device.': {
    de: 'Die Anfrage konnte nicht an das Gerät gesendet werden.',
    fr: 'La requête n’a pas pu être envoyée à l’appareil.',
    es: 'No se pudo enviar la petición al dispositivo.',
  },
  'The device got the request and did not answer: it may have acted.': {
    de: 'Das Gerät bekam die Anfrage und antwortete nicht: es kann gehandelt haben.',
    fr: 'L’appareil a reçu la requête et n’a pas répondu : il a pu agir.',
    es: 'El dispositivo recibió la petición y no respondió: puede haber actuado.',
  },
  'The device went offline before it answered.': {
    de: 'Das Gerät ging offline, bevor es antwortete.',
    fr: 'L’appareil s’est déconnecté avant de répondre.',
    es: 'El dispositivo se desconectó antes de responder.',
  },
  'The device did not answer before the request expired.': {
    de: 'Das Gerät antwortete nicht, bevor die Anfrage verfiel.',
    fr: 'L’appareil n’a pas répondu avant l’expiration de la requête.',
    es: 'El dispositivo no respondió antes de que caducara la petición.',
  },
  'A label is asked for as name:value.': {
    de: 'Nach einem Label fragt man mit Name:Wert.',
    fr: 'Une étiquette se demande par nom:valeur.',
    es: 'Una etiqueta se pide como nombre:valor.',
  },
  'A range is of one measurement: give its name.': {
    de: 'Ein Bereich gilt für eine Messgröße: nennen Sie ihren Namen.',
    fr: 'Un intervalle est celui d’une mesure : donnez son nom.',
    es: 'Un intervalo es de una medición: dé su nombre.',
  },
  // What comes to people from what the service runs on
  'The database did not answer in time.': {
    de: 'Die Datenbank hat nicht rechtzeitig geantwortet.',
    fr: 'La base de données n’a pas répondu à temps.',
    es: 'La base de datos no respondió a tiempo.',
  },
  'The database is too busy with the same rows.': {
    de: 'Die Datenbank ist mit denselben Zeilen zu beschäftigt.',
    fr: 'La base de données est trop occupée par les mêmes lignes.',
    es: 'La base de datos está demasiado ocupada con las mismas filas.',
  },
  'There is no such notification.': {
    de: 'Eine solche Benachrichtigung gibt es nicht.',
    fr: 'Il n’y a pas de telle notification.',
    es: 'No existe tal notificación.',
  },
  'There is no such job.': {
    de: 'Einen solchen Auftrag gibt es nicht.',
    fr: 'Il n’y a pas de telle tâche.',
    es: 'No existe tal trabajo.',
  },
}

/** The detail in a language other than English; undefined where the table does not have it. */
export function detailText(detail: string, language: Exclude<Language, 'en'>): string | undefined {
  const fixed = detailTexts[detail]
  if (fixed !== undefined && Object.hasOwn(detailTexts, detail)) return fixed[language]
  if (detail.length > longestDetail) return undefined
  for (const { pattern, texts } of patterns) {
    const parts = pattern.exec(detail)?.groups
    if (parts !== undefined) return texts[language].replace(/\{(\w+)\}/g, (_, name: string) => parts[name] ?? '')
  }
  return undefined
}

const patterns = Object.entries(detailTexts)
  .filter(([detail]) => detail.includes('{'))
  .map(([detail, texts]) => ({ pattern: patternOf(detail), texts }))

function patternOf(detail: string): RegExp {
  const source = detail
    .split(/(\{\w+\})/)
    .map((part) => {
      const name = /^\{(\w+)\}$/.exec(part)?.[1]
      return name === undefined ? part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&') : `(?<${name}>.+?)`
    })
    .join('')
  return new RegExp(`^${source}$`)
}
