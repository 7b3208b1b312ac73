#!/usr/bin/env bash
# Makes a certificate authority for tests, and one certificate for all services: scripts/make_test_ca.sh FOLDER [NAME ...]
# FOLDER gets ca.crt, ca.key, tls.crt and tls.key. NAMEs are further hosts by which callers reach the services. Nothing is replaced.
# The key of the authority is not protected: use a real authority for anything but tests.
set -euo pipefail
if [ $# -eq 0 ] || [ "$1" = --help ]; then sed -n '2,4s/^# //p' "$0"; exit 2; fi
folder=$1; shift
names=(localhost classification detection segmentation faces recognition imaging web "$@")
mkdir -p "$folder"
for file in ca.crt ca.key tls.crt tls.key; do
  if [ -e "$folder/$file" ]; then echo "$folder/$file is there already; choose an empty folder" >&2; exit 2; fi
done
umask 077
new=(openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
"${new[@]}" -x509 -days 397 -subj "/CN=Convoy test authority" -keyout "$folder/ca.key" -out "$folder/ca.crt" \
  -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" 2>/dev/null
alternatives="IP:127.0.0.1,IP:::1$(printf ',DNS:%s' "${names[@]}")"
"${new[@]}" -subj "/CN=convoy" -keyout "$folder/tls.key" -out "$folder/tls.csr" 2>/dev/null
openssl x509 -req -days 397 -in "$folder/tls.csr" -CA "$folder/ca.crt" -CAkey "$folder/ca.key" -CAcreateserial -out "$folder/tls.crt" \
  -extfile <(echo "subjectAltName=$alternatives"; echo "extendedKeyUsage=serverAuth,clientAuth") 2>/dev/null
rm -f "$folder/tls.csr" "$folder/ca.srl"
chmod 644 "$folder/ca.crt" "$folder/tls.crt"
echo "wrote $folder/ca.crt, ca.key, tls.crt and tls.key, valid for 397 days, for 127.0.0.1, ::1 and ${names[*]}"
