# The static binary, the certificates it trusts, an empty /tmp, and nothing else. .ci/image puts all of that into dist/ and builds this.
FROM scratch
COPY dist/root/ /
ENV PATH=/usr/local/bin \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65534:65534
EXPOSE 9090 8080 9440
ENTRYPOINT ["/headwater"]
