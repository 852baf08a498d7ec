# syntax=docker/dockerfile:1
# Thaw in a container: `docker build -t thaw .`, for NVIDIA GPUs `docker build -t thaw --build-arg TORCH=cu132 .`
# TORCH is a folder of PyTorch's own index: cpu (1 GB) or the CUDA release of the pinned version (5 GB).

FROM python:3.12-slim AS wheel
WORKDIR /src
COPY pyproject.toml README.md LICENSE dashboard.py ./
COPY engine engine
COPY pages pages
COPY .streamlit .streamlit
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM python:3.12-slim
ARG TORCH=cpu
COPY requirements.txt requirements-export.txt requirements-heic.txt /tmp/pins/
WORKDIR /tmp/pins
# torch first and from its own index, because the one of everybody else has the CUDA build only
RUN grep -E '^torch(vision)?==' requirements.txt > torch.txt \
    && pip install --no-cache-dir --index-url "https://download.pytorch.org/whl/${TORCH}" -r torch.txt \
    && pip install --no-cache-dir -r requirements-export.txt -r requirements-heic.txt
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel pip install --no-cache-dir --no-deps /wheel/*.whl \
    && useradd --create-home --uid 1000 thaw \
    && install --directory --owner thaw /workspace
USER 1000
WORKDIR /home/thaw
ENV THAW_WORKSPACE=/workspace TORCH_HOME=/workspace/torch_home XDG_CACHE_HOME=/workspace/cache
VOLUME /workspace
EXPOSE 8501
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=5)"]
# every interface of the container; who reaches it is decided where its port is published (compose.yaml: this machine)
ENTRYPOINT ["thaw"]
CMD ["--address", "0.0.0.0"]
