package freshet.features;

import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.HashMap;
import java.util.Map;
import java.util.zip.GZIPInputStream;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.table.functions.FunctionContext;
import org.apache.flink.table.functions.ScalarFunction;

/**
 * {@code ITEM_VECTOR(item_id)}: the vector that a file holds for an item, or null.
 *
 * <p>The file has one object a line, {@code {"item_id": "a", "vector": [0.5, -1]}}; it may be gzipped. {@code freshet/vectors.py}
 * gives DuckDB the same function. All tasks of a JVM share one copy, which is read anew by a job that finds the file changed.
 */
public final class ItemVector extends ScalarFunction {
    private static Loaded shared;

    private final String path;
    private transient Map<String, double[]> vectors;

    /** Takes the file's path on the workers. */
    public ItemVector(String path) {
        this.path = path;
    }

    @Override
    public void open(FunctionContext context) throws IOException {
        vectors = shared(Path.of(path));
    }

    /** Returns the vector of an item. */
    public double[] eval(String item) {
        return item == null ? null : vectors.get(item);
    }

    private static synchronized Map<String, double[]> shared(Path path) throws IOException {
        FileTime written = Files.getLastModifiedTime(path);
        long size = Files.size(path);
        if (shared == null || !shared.path.equals(path) || !shared.written.equals(written) || shared.size != size) {
            shared = new Loaded(path, written, size, read(path));
        }
        return shared.vectors;
    }

    private static Map<String, double[]> read(Path path) throws IOException {
        Map<String, double[]> vectors = new HashMap<>();
        ObjectMapper json = new ObjectMapper();
        try (BufferedReader lines = new BufferedReader(new InputStreamReader(open(path), StandardCharsets.UTF_8))) {
            lines.lines().filter(line -> !line.isBlank()).forEach(line -> put(vectors, parsed(json, line, path), path));
        }
        return vectors;
    }

    private static InputStream open(Path path) throws IOException {
        InputStream bytes = new FileInputStream(path.toFile());
        return path.toString().endsWith(".gz") ? new GZIPInputStream(bytes) : bytes;
    }

    private static JsonNode parsed(ObjectMapper json, String line, Path path) {
        try {
            return json.readTree(line);
        } catch (IOException error) {
            throw new UncheckedIOException(path + " has a line that is no JSON", error);
        }
    }

    private static void put(Map<String, double[]> vectors, JsonNode line, Path path) {
        double[] vector = new double[line.path("vector").size()];
        boolean isWhole = line.path("item_id").isValueNode();
        for (int at = 0; at < vector.length; at++) {
            isWhole &= line.get("vector").get(at).isNumber();
            vector[at] = line.get("vector").get(at).doubleValue();
        }
        if (!isWhole || vectors.put(line.get("item_id").asText(), vector) != null) {
            throw new IllegalArgumentException(path + " has a line without an item or a number, or an item in two lines");
        }
    }

    /** What has been read, and of which state of the file. */
    private static final class Loaded {
        final Path path;
        final FileTime written;
        final long size;
        final Map<String, double[]> vectors;

        Loaded(Path path, FileTime written, long size, Map<String, double[]> vectors) {
            this.path = path;
            this.written = written;
            this.size = size;
            this.vectors = vectors;
        }
    }
}
