# Passes text on without secrets: what variables with a telling name hold, what docker/board.env and docker/gateway.env hold,
# and passwords in addresses. FILES lists the files to read variables from.

function is_telling(key) {
    return key ~ /(TOKEN|PASSWORD|SECRET|CREDENTIAL|APIKEY|_KEY|_AUTH|_PASS|_PAT)$/
}

function keep_secret(value) {
    # Shorter ones would blacken words that say nothing.
    if (length(value) >= 6) secrets[value] = 1
}

function learn(file, all,    line, key, value, at) {
    while ((getline line < file) > 0) {
        sub(/^[ \t]*(export[ \t]+)?/, "", line)
        at = index(line, "=")
        if (line ~ /^#/ || at < 2) continue
        key = substr(line, 1, at - 1)
        value = substr(line, at + 1)
        sub(/[ \t\r]+$/, "", value)
        if (value ~ /^".*"$/ || value ~ /^'.*'$/) value = substr(value, 2, length(value) - 2)
        if (all) hidden[key] = 1
        if (all || is_telling(key)) keep_secret(value)
        keep_passwords(value)
    }
    close(file)
}

function keep_passwords(value,    rest) {
    # postgresql://user:password@host
    if (!match(value, /:\/\/[^\/@]*:[^@]*@/)) return
    rest = substr(value, RSTART + 3, RLENGTH - 4)
    keep_secret(substr(rest, index(rest, ":") + 1))
}

BEGIN {
    count = split(FILES, files, "\n")
    for (i = 1; i <= count; i++) learn(files[i], files[i] ~ /(board|gateway)\.env$/)
    for (key in ENVIRON) {
        if (is_telling(key)) keep_secret(ENVIRON[key])
        keep_passwords(ENVIRON[key])
    }
}

{
    line = $0
    if (match(line, /^[ \t-]*["']?[A-Za-z_][A-Za-z0-9_]*["']?[ \t]*[:=]/)) {
        head = substr(line, 1, RLENGTH)
        key = head
        gsub(/[^A-Za-z0-9_]/, "", key)
        value = substr(line, RLENGTH + 1)
        if ((is_telling(key) || key in hidden) && value !~ /^[ \t]*(""|'')?[ \t]*$/) line = head (head ~ /:$/ ? " " : "") "***"
    }
    for (secret in secrets) {
        done = ""
        while ((at = index(line, secret)) > 0) {
            done = done substr(line, 1, at - 1) "***"
            line = substr(line, at + length(secret))
        }
        line = done line
    }
    gsub(/:\/\/[^\/@ \t"']+@/, "://***@", line)
    print line
    fflush()
}
