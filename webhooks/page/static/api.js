// Shows the OpenAPI document with Swagger UI.
"use strict";

const place = document.getElementById("api");
SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  // The token ends with the tab.
  persistAuthorization: false,
  // Nothing is sent to others.
  validatorUrl: null,
  docExpansion: "list",
  defaultModelsExpandDepth: -1,
  filter: true,
  requestSnippetsEnabled: true,
});
