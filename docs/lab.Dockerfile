# The lab with simulated guests, served on 127.0.0.1:8006 of the host's network; its state is in /lab.
FROM python:3.11-slim
COPY requirements.lock /src/
RUN pip install --no-cache-dir --require-hashes -r /src/requirements.lock
COPY . /src
RUN pip install --no-cache-dir --no-deps /src \
    && rm -rf /src \
    && useradd --create-home --uid 10001 lab \
    && install -d -o lab -g lab -m 0700 /lab
USER lab
WORKDIR /lab
ENV ATLAS_LAB_DIR=/lab
VOLUME /lab
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m", "atlas.lab", "serve", "--port", "8006"]
