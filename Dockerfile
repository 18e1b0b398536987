# Grades where the system itself has no sandbox (macOS, Windows): docs/security.md says how to run it.
FROM python:3.12-slim
RUN useradd --create-home grader
WORKDIR /opt/backprop
COPY . .
RUN pip install --no-cache-dir -c constraints.txt ".[instructor]"
USER grader
ENTRYPOINT ["autograder"]
CMD ["doctor"]
