// Package web is the backend's HTTP border: the API that a hospital's screens call, behind package tenanthttp, and the demo's page.
package web
