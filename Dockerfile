# The desk in a container: not root, and nothing to write but /data and /tmp.
FROM python:3.12-slim AS built
RUN python -m venv --without-pip /opt/lumira
COPY requirements-run.lock /src/
# The tests that libraries bring are a tenth of what they weigh.
RUN pip --python /opt/lumira/bin/python install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes \
        -r /src/requirements-run.lock && \
    find /opt/lumira -type d -name tests -prune -exec rm -r {} +

FROM python:3.12-slim
RUN useradd --uid 10001 --no-create-home --home-dir /data lumira && \
    install --directory --owner lumira --mode 700 /data && \
    printf '#!/bin/sh\nexec python -m lumira "$@"\n' > /usr/local/bin/lumira && chmod 755 /usr/local/bin/lumira
COPY --from=built /opt/lumira /opt/lumira
WORKDIR /app
# Run from its folder, not installed: settings of Streamlit and pages stand beside the program.
COPY app.py ./
COPY .streamlit .streamlit
COPY lumira lumira
COPY pages pages
# Its root is read-only: nobody compiles it later.
RUN /opt/lumira/bin/python -m compileall -q /app
ENV PATH=/opt/lumira/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    LUMIRA_HOME=/data \
    LUMIRA_HOST=0.0.0.0 \
    LUMIRA_LOG_FORMAT=json
USER lumira
VOLUME /data
EXPOSE 8501
# SIGTERM lets requests in flight finish; 30 seconds are enough for any webhook.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('LUMIRA_PORT', '8501') + '/api/healthz', timeout=4)"]
ENTRYPOINT ["python", "-m", "lumira"]
CMD ["run"]
