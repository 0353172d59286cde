{{/* The name that every object of this release starts with. */}}
{{- define "backstay.fullname" -}}
{{- if contains "backstay" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-backstay" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "backstay.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "backstay.fullname" .) -}}
{{- else -}}
{{- required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "backstay.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end }}

{{/* What selects the controller's pod, and no worker's. */}}
{{- define "backstay.selectorLabels" -}}
app.kubernetes.io/name: backstay
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end }}

{{- define "backstay.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{ include "backstay.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/*
All that the controller may do. Never here: Secrets, pods/exec, escalate, bind, impersonate, nodes,
volumes. tests/chart freezes what this renders to.
*/}}
{{- define "backstay.controllerRules" -}}
- apiGroups: [backstay.dev]
  resources: [backuppolicies]
  verbs: [get, list, watch]
- apiGroups: [backstay.dev]
  resources: [backuppolicies/status]
  verbs: [patch]
# An owner reference that blocks deletion needs this where the cluster checks it, as OpenShift does.
- apiGroups: [backstay.dev]
  resources: [backuppolicies/finalizers]
  verbs: [update]
# Server-side apply needs create beside patch.
- apiGroups: [batch]
  resources: [cronjobs]
  verbs: [get, list, watch, create, patch, update, delete]
# A bucket whose queue is followed has a worker that stays.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, update, delete]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch]
# A worker is evicted where it keeps an application from its volume.
- apiGroups: [""]
  resources: [pods/eviction]
  verbs: [create]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
