// Nothing is asked of anybody but the api that served this page: no validator, no fonts, no saved keys.
globalThis.SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#reference',
  validatorUrl: null,
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
});
