# Demo bearer tokens: RS256 JSON Web Tokens, made by openssl alone. To be sourced by bash.
# shellcheck shell=bash

TOKEN_ISSUER=https://id.demo.example
TOKEN_AUDIENCE=booking-api
TOKEN_KID=demo

token_base64url() {
    openssl base64 -A | tr '+/' '-_' | tr -d '='
}

# token_key FILE : makes the private key, once.
token_key() {
    [[ -s $1 ]] && return 0
    openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$1.new" 2>/dev/null ||
        openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$1.new" 2>/dev/null
    mv "$1.new" "$1"
}

# token_jwk FILE : the public half, as mod_oauth2 takes it.
token_jwk() {
    local hex modulus
    hex=$(openssl rsa -in "$1" -noout -modulus)
    hex=${hex#Modulus=}
    # shellcheck disable=SC2001 # every byte gets an escape: ${//} cannot refer to its match
    modulus=$(printf '%b' "$(sed 's/../\\x&/g' <<<"$hex")" | token_base64url)
    printf '{"kty":"RSA","kid":"%s","alg":"RS256","n":"%s","e":"AQAB"}' "$TOKEN_KID" "$modulus"
}

# token_make FILE ROLE SUB SECONDS
token_make() {
    local key=$1 role=$2 sub=$3 seconds=$4 now head body
    now=$(date +%s)
    head=$(printf '{"alg":"RS256","typ":"JWT","kid":"%s"}' "$TOKEN_KID" | token_base64url)
    body=$(printf '{"iss":"%s","aud":"%s","sub":"%s","role":"%s","iat":%d,"nbf":%d,"exp":%d}' \
        "$TOKEN_ISSUER" "$TOKEN_AUDIENCE" "$sub" "$role" "$now" "$now" $((now + seconds)) |
        token_base64url)
    printf '%s.%s.%s\n' "$head" "$body" \
        "$(printf '%s.%s' "$head" "$body" | openssl dgst -sha256 -sign "$key" | token_base64url)"
}
