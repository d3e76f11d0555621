#!/usr/bin/env bash
# Runs shellcheck over every shell script of the project, found by name or by its first line.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts=()
while IFS= read -r -d '' file; do
  case $file in
  *.sh) scripts+=("$file") ;;
  *.*) ;;
  *) if head -n 1 "$file" | grep -qE '^#!.*[ /](ba|da)?sh\b'; then scripts+=("$file"); fi ;;
  esac
done < <(find . \( -name node_modules -o -name .git -o -path ./build \) -prune -o -type f -print0)
shellcheck "${scripts[@]}"
echo "shellcheck: ${#scripts[@]} scripts"
