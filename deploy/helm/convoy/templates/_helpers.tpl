{{- /* The port of each service, in the order of their ports. */ -}}
{{- define "convoy.ports" -}}
classification: 50051
detection: 50052
segmentation: 50053
faces: 50054
recognition: 50055
imaging: 50056
{{- end }}

{{- define "convoy.partOf" -}}
app.kubernetes.io/part-of: convoy
{{- end }}

{{- /* Of a name: what selects its pods. */ -}}
{{- define "convoy.selector" -}}
app.kubernetes.io/name: {{ . }}
{{- end }}

{{- /* Takes values, chart and suffix: the image, and when it is pulled. */ -}}
{{- define "convoy.image" -}}
image: {{ printf "%s:%s%s" .values.image.repository (.values.image.tag | default .chart.AppVersion) .suffix | quote }}
{{- with .values.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
{{- end }}

{{- define "convoy.restricted" -}}
securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
{{- end }}

{{- /* What every pod of Convoy's own has, whatever runs in it. */ -}}
{{- define "convoy.pod" -}}
automountServiceAccountToken: false
terminationGracePeriodSeconds: 40
securityContext: {runAsNonRoot: true, runAsUser: 10001, seccompProfile: {type: RuntimeDefault}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "convoy.secureVariables" -}}
- {name: CONVOY_TLS_CERT, value: /run/convoy/tls}
- {name: CONVOY_CLIENT_CA, value: /run/convoy/tls}
- {name: CONVOY_TOKENS_FILE, value: /run/convoy/tokens/tokens}
{{- end }}

{{- define "convoy.secureMounts" -}}
- {name: convoy-tls, mountPath: /run/convoy/tls, readOnly: true}
- {name: convoy-tokens, mountPath: /run/convoy/tokens, readOnly: true}
{{- end }}

{{- define "convoy.secureVolumes" -}}
- {name: convoy-tls, secret: {secretName: convoy-tls}}
# The hashes alone: recognition.token is for recognition, which mounts it itself.
- {name: convoy-tokens, secret: {secretName: convoy-tokens, items: [{key: tokens, path: tokens}]}}
{{- end }}

{{- /* Of a name: one replica at a time may be taken away. */ -}}
{{- define "convoy.budget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ . }}
  labels: {{- include "convoy.partOf" . | nindent 4 }}
spec:
  maxUnavailable: 1
  selector: {matchLabels: { {{- include "convoy.selector" . -}} }}
{{- end }}
