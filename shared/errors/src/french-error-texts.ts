/** The texts of the error catalogue in French. A code without one does not compile. */

import type { ErrorTexts } from './error-texts.ts'

export const frenchErrorTexts: ErrorTexts = {
  // Requests
  'malformed-request': {
    title: 'La requête n’a pas pu être lue.',
    remedy: 'Corrigez ce que le détail indique et renvoyez-la.',
  },
  'validation-failed': {
    title: 'Une valeur de la requête n’est pas admise.',
    remedy: 'Corrigez les champs indiqués.',
  },
  'unsupported-content-format': {
    title: 'Ce format de contenu n’est pas pris en charge ici.',
    remedy: 'Envoyez du JSON (application/json) sans Content-Encoding, ou un autre format de la documentation.',
  },
  'not-acceptable': {
    title: 'Aucune représentation ne correspond à Accept.',
    remedy: 'Demandez un format de la documentation.',
  },
  'request-too-large': {
    title: 'La requête est plus grande que ce que cette ressource accepte.',
    remedy: 'Envoyez-en moins.',
  },
  'message-too-long': {
    title: 'Un message est plus long que ce que l’autre bout de l’association accepte dans un enregistrement.',
    remedy: 'Transférez-le par blocs ou demandez moins ; l’autre bout limite ses enregistrements (RFC 6066, RFC 8449).',
  },
  'bad-option': { title: 'Une option CoAP critique n’est pas comprise.', remedy: 'Omettez cette option.' },
  'block-sequence-broken': {
    title: 'Un bloc ne poursuit pas le transfert.',
    remedy: 'Recommencez le transfert au bloc 0.',
  },
  'not-found': { title: 'Il n’y a rien à cette adresse.', remedy: 'Vérifiez le chemin et l’identifiant.' },
  'method-not-allowed': {
    title: 'La ressource n’a pas cette méthode.',
    remedy: 'Utilisez l’une des méthodes que donne l’en-tête Allow.',
  },
  conflict: {
    title: 'La requête est en conflit avec ce qui existe.',
    remedy: 'Lisez l’état actuel et décidez à nouveau.',
  },
  'precondition-failed': {
    title: 'L’objet a changé depuis sa lecture.',
    remedy: 'Relisez-le et répétez la modification avec le nouvel ETag.',
  },
  'precondition-required': {
    title: 'La modification exige un en-tête If-Match.',
    remedy: 'Lisez l’objet et envoyez son ETag dans If-Match.',
  },
  'idempotency-in-progress': {
    title: 'Une requête avec le même Idempotency-Key est en cours.',
    remedy: 'Renvoyez-la après Retry-After : la réponse de la première viendra alors.',
  },
  'idempotency-key-reused': {
    title: 'L’Idempotency-Key a servi à autre chose.',
    remedy: 'Prenez une nouvelle clé pour chaque acte, et la même seulement pour répéter une requête telle quelle.',
  },
  'idempotency-answer-lost': {
    title: 'Ce qui était demandé a été fait, mais la réponse a été perdue.',
    remedy: 'Lisez ce que le détail indique ; ce qui n’est montré qu’une fois doit être refait.',
  },
  'freshness-required': {
    title: 'La requête a pu être retenue en chemin.',
    remedy: 'Renvoyez-la avec la valeur Echo de cette réponse.',
  },
  'rate-limited': { title: 'Trop de requêtes.', remedy: 'Attendez le temps qu’indique Retry-After.' },
  'origin-refused': {
    title: 'La requête ne vient pas d’une page de cette application.',
    remedy: 'Envoyez-la depuis une page de l’application, ou avec un jeton d’accès au lieu du cookie.',
  },
  // People
  'invalid-credentials': {
    title: 'Le nom ou le mot de passe est faux.',
    remedy: 'Vérifiez les deux et réessayez.',
  },
  'token-missing': {
    title: 'La requête ne porte pas de jeton d’accès.',
    remedy: 'Connectez-vous et envoyez le jeton comme Bearer.',
  },
  'token-invalid': { title: 'Le jeton n’est pas valide.', remedy: 'Obtenez un nouveau jeton.' },
  'token-expired': { title: 'Le jeton a expiré.', remedy: 'Renouvelez-le.' },
  'token-revoked': { title: 'Le jeton a été révoqué.', remedy: 'Reconnectez-vous.' },
  'refresh-failed': { title: 'Le jeton de renouvellement n’est pas valide.', remedy: 'Reconnectez-vous.' },
  'refresh-superseded': {
    title: 'Une autre requête vient d’utiliser ce jeton de renouvellement.',
    remedy: 'Utilisez les jetons de la requête arrivée la première.',
  },
  'api-key-invalid': {
    title: 'La clé d’API n’est pas valide.',
    remedy:
      'Envoyez une clé telle qu’elle a été montrée à sa création, comme Bearer ; si elle est perdue, créez-en une autre.',
  },
  'api-key-expired': {
    title: 'La clé d’API a expiré.',
    remedy: 'Créez une autre clé et utilisez-la.',
  },
  'api-key-revoked': {
    title: 'La clé d’API a été révoquée.',
    remedy: 'Créez une autre clé et utilisez-la, si vous en avez encore le droit.',
  },
  'api-key-address-refused': {
    title: 'La clé d’API ne peut pas être utilisée depuis cette adresse.',
    remedy: 'Utilisez-la depuis une adresse admise, ou faites changer celles-ci.',
  },
  'key-generation-failed': {
    title: 'Aucune clé n’a pu être générée, et rien n’a été enregistré.',
    remedy: 'Réessayez ; l’exploitant voit la cause dans le journal.',
  },
  'person-required': {
    title: 'Seule une personne connectée peut faire cela, pas une clé d’API.',
    remedy: 'Connectez-vous et envoyez le jeton d’accès.',
  },
  'reauthentication-required': {
    title: 'La connexion est trop ancienne pour cela.',
    remedy: 'Envoyez le mot de passe à /api/v1/auth/reauthenticate et utilisez le jeton d’accès de la réponse.',
  },
  'email-unverified': {
    title: 'L’adresse de courriel n’est pas vérifiée.',
    remedy: 'Demandez un courriel à /api/v1/me/email-verification et confirmez avec le jeton qu’il contient.',
  },
  'email-verification-invalid': {
    title: 'Le jeton du courriel de vérification n’est pas valide.',
    remedy: 'Il a été utilisé, remplacé ou a expiré : demandez un autre courriel.',
  },
  'permission-denied': {
    title: 'La permission pour cet acte manque.',
    remedy: 'Demandez la permission à l’administration de votre organisation.',
  },
  'policy-violated': {
    title: 'Une règle de l’organisation interdit cet acte.',
    remedy: 'Les détails nomment la règle ; voir docs/organizations.md.',
  },
  'role-not-found': {
    title: 'L’organisation n’a pas de rôle de ce nom.',
    remedy: 'Utilisez un nom de la liste des rôles.',
  },
  'invitation-invalid': {
    title: 'L’invitation n’est pas valide.',
    remedy: 'Elle a été utilisée, retirée ou a expiré : demandez-en une autre.',
  },
  'sign-in-to-accept': {
    title: 'L’adresse de l’invitation a un compte.',
    remedy: 'Connectez-vous avec ce compte et rejoignez avec le même jeton : POST /api/v1/organizations/join.',
  },
  // Certificates and paths
  'certificate-missing': {
    title: 'L’autre bout n’a pas envoyé de certificat.',
    remedy: 'Configurez un certificat client et sa clé.',
  },
  'certificate-malformed': {
    title: 'Un certificat ne peut pas être lu.',
    remedy: 'Envoyez des certificats DER selon la RFC 5280, la feuille d’abord.',
  },
  'certificate-signature-invalid': {
    title: 'Une signature de la chaîne ne se vérifie pas.',
    remedy: 'Envoyez la chaîne qui a vraiment émis la feuille.',
  },
  'certificate-expired': { title: 'Un certificat de la chaîne a expiré.', remedy: 'Renouvelez-le.' },
  'certificate-not-yet-valid': {
    title: 'Un certificat de la chaîne n’est pas encore valide.',
    remedy: 'Vérifiez l’horloge de l’émetteur.',
  },
  'certificate-revoked': {
    title: 'Le certificat a été révoqué.',
    remedy: 'Provisionnez à nouveau l’appareil, s’il peut revenir.',
  },
  'certificate-authority-unknown': {
    title: 'La chaîne ne mène à aucune autorité de certification de confiance.',
    remedy: 'Chargez l’autorité émettrice dans un groupe d’appareils.',
  },
  'certificate-self-signed': {
    title: 'Le certificat feuille est signé par lui-même.',
    remedy: 'Utilisez un certificat émis par une autorité enregistrée.',
  },
  'certificate-purpose-wrong': {
    title: 'Le certificat n’est pas fait pour cet usage.',
    remedy: 'Émettez-le avec les usages de clé nécessaires.',
  },
  'certificate-key-unsupported': {
    title: 'Le certificat a une clé qui n’est pas admise.',
    remedy: 'Utilisez une clé P-256 ou P-384.',
  },
  'certificate-constraint-violated': {
    title: 'La chaîne enfreint une contrainte de l’une de ses autorités.',
    remedy: 'Vérifiez les contraintes de base, la longueur du chemin, les noms et les extensions critiques.',
  },
  'certificate-path-too-long': {
    title: 'La chaîne est plus longue que ce qui est accepté.',
    remedy: 'Envoyez seulement la chaîne, sans certificats superflus.',
  },
  'certificate-not-recorded': {
    title: 'Cette installation n’a pas émis le certificat pour un appareil connu.',
    remedy: 'Provisionnez l’appareil auprès du dps.',
  },
  'proof-of-possession-failed': {
    title: 'L’autre bout n’a pas prouvé qu’il possède la clé.',
    remedy: 'Signez avec la clé du certificat.',
  },
  'psk-wrong': {
    title: 'L’autre bout n’a pas la clé de son identité PSK.',
    remedy: 'Donnez à l’appareil sa clé actuelle, ou enregistrez-en une nouvelle.',
  },
  'psk-identity-unknown': {
    title: 'Aucun appareil n’est enregistré avec cette identité PSK.',
    remedy: 'Enregistrez l’appareil dans un groupe qui admet les PSK.',
  },
  'psk-revoked': {
    title: 'La clé prépartagée a été révoquée.',
    remedy: 'Enregistrez une nouvelle clé pour l’appareil.',
  },
  'psk-not-allowed': {
    title: 'Le groupe d’appareils n’admet pas les clés prépartagées.',
    remedy: 'Modifiez le groupe : allowsPsk.',
  },
  'handshake-failed': {
    title: 'La négociation DTLS a échoué.',
    remedy: 'L’alerte et la raison sont dans le détail.',
  },
  'handshake-timed-out': {
    title: 'La négociation DTLS n’a pas abouti à temps.',
    remedy: 'Vérifiez le réseau et réessayez.',
  },
  'association-closed': { title: 'L’association DTLS est fermée.', remedy: 'Reconnectez-vous.' },
  // Provisioning
  'enrollment-missing': {
    title: 'Aucun groupe d’appareils actif ne couvre l’appareil.',
    remedy: 'Chargez l’autorité de l’appareil dans un groupe.',
  },
  'enrollment-disabled': {
    title: 'Le groupe de l’appareil est désactivé.',
    remedy: 'Activez le groupe.',
  },
  'device-blocked': {
    title: 'L’appareil est bloqué.',
    remedy: 'Demandez à l’exploitant de le débloquer.',
  },
  'device-id-claimed': {
    title: 'L’identifiant d’appareil appartient à une autre clé de fabricant.',
    remedy: 'Utilisez l’identifiant propre à l’appareil, ou faites retirer l’ancienne attribution.',
  },
  'device-id-mismatch': {
    title: 'L’identifiant d’appareil ne correspond pas au certificat ou à la requête.',
    remedy: 'Envoyez le même identifiant dans le certificat, la requête et le corps.',
  },
  'request-certificate-malformed': {
    title: 'La demande de certificat ne peut pas être lue.',
    remedy: 'Envoyez une demande PKCS#10, DER ou PEM.',
  },
  'request-signature-invalid': {
    title: 'La demande de certificat n’est pas signée par sa propre clé.',
    remedy: 'Signez-la avec la clé qu’elle porte.',
  },
  'request-key-weak': {
    title: 'La clé de la demande de certificat est trop faible.',
    remedy: 'Utilisez une clé P-256, P-384 ou Ed25519.',
  },
  'request-key-unsupported': {
    title: 'Le type de clé de la demande de certificat n’est pas admis.',
    remedy: 'Utilisez une clé P-256, P-384 ou Ed25519.',
  },
  'request-subject-invalid': {
    title: 'Le sujet de la demande de certificat n’est pas un identifiant d’appareil.',
    remedy: 'Utilisez le nom commun uuid:<identifiant>.',
  },
  'ownership-mismatch': {
    title: 'L’appareil appartient à un autre propriétaire.',
    remedy: 'Faites-le libérer par le propriétaire actuel.',
  },
  // Device identity at the gateway
  'onboarding-code-invalid': {
    title: 'Le code d’accueil est faux, utilisé ou expiré.',
    remedy: 'Provisionnez à nouveau et utilisez le nouveau code.',
  },
  'device-not-registered': { title: 'L’appareil n’est pas enregistré.', remedy: 'Enregistrez-le d’abord.' },
  'device-not-signed-in': { title: 'L’appareil n’est pas connecté.', remedy: 'Connectez-le d’abord.' },
  'device-token-invalid': {
    title: 'Le jeton de l’appareil n’est pas valide ici.',
    remedy: 'Renouvelez le jeton, ou enregistrez à nouveau l’appareil.',
  },
  'device-offline': {
    title: 'L’appareil est hors ligne.',
    remedy: 'La commande attend l’appareil ; ou lisez le jumeau.',
  },
  'device-not-responding': {
    title: 'L’appareil n’a pas répondu à temps.',
    remedy: 'La commande reste en attente jusqu’à sa réponse ou son expiration.',
  },
  'device-refused': {
    title: 'L’appareil a refusé la requête.',
    remedy: 'Les détails donnent le code que l’appareil a répondu.',
  },
  // Keys and tokens of the installation
  'hsm-unavailable': {
    title: 'Le jeton HSM ne peut pas être utilisé.',
    remedy: 'Vérifiez le module, le nom du jeton et le fichier du PIN.',
  },
  'hsm-key-missing': {
    title: 'Une clé manque dans le jeton HSM.',
    remedy: 'Restaurez le jeton, ou tenez la cérémonie des clés.',
  },
  'hsm-signature-wrong': {
    title: 'Le HSM a rendu une signature qui ne se vérifie pas.',
    remedy: 'Mettez le jeton hors service.',
  },
  'sealed-value-invalid': {
    title: 'Une valeur scellée ne peut pas être ouverte.',
    remedy: 'Utilisez la génération de clé qui l’a scellée ; si c’est la bonne, la valeur a été altérée.',
  },
  'signing-key-missing': {
    title: 'Il n’y a pas de clé de signature active.',
    remedy: 'Lancez la rotation des clés.',
  },
  'issuance-refused': {
    title: 'Le certificat ne satisfait pas à son propre profil.',
    remedy: 'Signalez-le : le profil ou l’émetteur est faux.',
  },
  // What we run on
  'configuration-invalid': {
    title: 'La configuration n’est pas valide.',
    remedy: 'Corrigez les variables indiquées.',
  },
  'database-unavailable': {
    title: 'La base de données n’est pas joignable.',
    remedy: 'Réessayez ; l’exploitant le voit dans /readyz.',
  },
  'cache-unavailable': {
    title: 'Redis n’est pas joignable.',
    remedy: 'Réessayez ; l’exploitant le voit dans /readyz.',
  },
  'dependency-unavailable': {
    title: 'Un service nécessaire n’est pas joignable.',
    remedy: 'Réessayez plus tard.',
  },
  'mail-refused': {
    title: 'Le serveur de courrier a refusé un message définitivement.',
    remedy: 'Corrigez l’adresse, ou ce que le serveur reproche à l’expéditeur, puis réessayez.',
  },
  overloaded: {
    title: 'Le service est à sa limite.',
    remedy: 'Réessayez après le temps qu’indique Retry-After ou Max-Age.',
  },
  'shutting-down': { title: 'Le service s’arrête.', remedy: 'Reconnectez-vous.' },
  'shard-lost': {
    title: 'Un autre processus a repris ce travail.',
    remedy: 'Renvoyez-la : l’autre processus répond.',
  },
  'timed-out': { title: 'Le travail a pris trop de temps.', remedy: 'Réessayez.' },
  'malformed-bytes': {
    title: 'Les octets ne peuvent pas être lus.',
    remedy: 'Envoyez ce que la spécification décrit.',
  },
  internal: {
    title: 'Une erreur est survenue de notre côté.',
    remedy: 'Signalez-la avec l’identifiant de corrélation.',
  },
}
