export { controlPlaneSettings } from './config.ts'
export { type ControlPlane, type ControlPlaneConfiguration, startControlPlane } from './control-plane.ts'
export { openApiDocument } from './open-api-document.ts'
