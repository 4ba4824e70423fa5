#!/bin/sh
# azd runs this after it has deployed: Azure must list exactly the functions of the package. An app
# whose functions cannot be indexed is deployed without an error, and then does nothing.
set -eu
cd "$(dirname "$0")/../.."

file=dist/azure-files-restore.zip
python=.venv/bin/python
# Azure lists the functions a while after the upload.
seconds=${POSTDEPLOY_SECONDS:-180}

fail() {
  echo "postdeploy: $1" >&2
  exit 1
}

# azd gives a hook the values of its environment, among them the outputs of infra/main.bicep.
[ -n "${AZURE_SUBSCRIPTION_ID:-}" ] || fail "AZURE_SUBSCRIPTION_ID is empty: run azd provision first"
[ -n "${AZURE_RESOURCE_GROUP:-}" ] || fail "AZURE_RESOURCE_GROUP is empty: run azd provision first"
[ -n "${RESTORE_APP_NAME:-}" ] || fail "RESTORE_APP_NAME is empty: run azd provision first"
[ -x "$python" ] || fail "there is no $python: run make setup"
[ -s "$file" ] || fail "there is no $file to compare with: run make package"
command -v az >/dev/null || fail "az is needed to list the functions: install the Azure CLI"

end=$(($(date +%s) + seconds))
while :; do
  # An error of az is shown and not waited out: nobody is signed in, or the app is not there.
  listed=$(az functionapp function list --subscription "$AZURE_SUBSCRIPTION_ID" \
    --resource-group "$AZURE_RESOURCE_GROUP" --name "$RESTORE_APP_NAME" \
    --query "[].name" --output tsv) || fail "az could not list the functions of $RESTORE_APP_NAME"
  status=0
  report=$(printf '%s\n' "$listed" | "$python" -m infra.package deployed "$file") || status=$?
  # 3: other functions, which may change. Anything else does not change by waiting.
  if [ "$status" -ne 3 ] || [ "$(date +%s)" -ge "$end" ]; then
    break
  fi
  sleep 5
done
[ -z "$report" ] || printf '%s\n' "$report"
[ "$status" -ne 0 ] || exit 0
[ "$status" -eq 3 ] || fail "the functions could not be compared with $file"
fail "the functions of $RESTORE_APP_NAME are not those of the package after $seconds s. Where all are
missing, the app cannot be loaded: Application Insights has the reason, in exceptions and traces"
