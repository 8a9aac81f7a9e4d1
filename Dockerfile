# The platform as an image: docker build -t faceplatform .
# Without arguments it runs `manage.py up`, all parts; an argument such as `recognition_worker` runs that part alone.
FROM python:3.11-slim-bookworm AS build
COPY requirements.lock /
# The lock names each file by its hash: what is installed is what was tested, or the build fails.
RUN python -m venv /opt/venv \
    && /opt/venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /requirements.lock

FROM python:3.11-slim-bookworm
# For MXNet. Not pinned: Debian 12 changes them for security alone.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 libquadmath0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin faceplatform \
    && install -d -m 0700 -o faceplatform -g faceplatform /data /models /backups
COPY --from=build /opt/venv /opt/venv
WORKDIR /opt/faceplatform
COPY LICENSE manage.py requirements.txt ./
COPY models/catalogue.toml models/
COPY templates templates
COPY locale locale
COPY faceplatform faceplatform
COPY accounts accounts
COPY gallery gallery
COPY recognition recognition
RUN /opt/venv/bin/python -m compileall -q .
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FACEPLATFORM_HOST=0.0.0.0 \
    FACEPLATFORM_DATA_DIR=/data \
    FACEPLATFORM_MODELS_DIR=/models
USER 10001:10001
VOLUME ["/data", "/models", "/backups"]
EXPOSE 8000
# Of the web server: switch it off for a container that runs another part alone.
HEALTHCHECK --interval=15s --timeout=10s --start-period=3m --retries=4 \
    CMD ["python", "-c", "import http.client, os, sys; web = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('FACEPLATFORM_PORT', 8000)), timeout=8); web.request('GET', '/health/ready'); sys.exit(web.getresponse().status != 200)"]
ENTRYPOINT ["python", "manage.py"]
CMD ["up"]
