package freshet.features;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.function.Function;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonProcessingException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

/** The job as Python has compiled it from the registered views; {@code udfs/engine_spec.py} writes the JSON. */
final class Spec implements Serializable {
    final String redisUrl;
    final String writeScript;
    final long keyTtlSeconds;
    final long stateTtlMs;
    final long watermarkDelayMs;
    final int updateSchemaId;
    final int rejectedSchemaId;
    final String subjectView;
    final List<View> views;

    private Spec(JsonNode json) {
        redisUrl = json.get("redis_url").asText();
        writeScript = json.get("write_script").asText();
        keyTtlSeconds = json.get("key_ttl_seconds").asLong();
        stateTtlMs = json.get("state_ttl_ms").asLong();
        watermarkDelayMs = json.get("watermark_delay_ms").asLong();
        updateSchemaId = json.get("update_schema_id").asInt();
        rejectedSchemaId = json.get("rejected_schema_id").asInt();
        subjectView = json.get("subject_view").asText();
        views = each(json.get("views"), View::new);
    }

    /** A feature view: where its key and its features come from, and where they go. */
    static final class View implements Serializable {
        final String name;
        /** Columns of the key's parts, in the order in which the store wants them. */
        final int[] keys;
        final byte[] keyHead;
        final byte[] keyTail;
        final byte[] versionField;
        final byte[] timestampField;
        final List<Feature> features;

        private View(JsonNode json) {
            name = json.get("name").asText();
            keys = each(json.get("keys"), JsonNode::asInt).stream().mapToInt(Integer::intValue).toArray();
            keyHead = bytes(json.get("key_head"));
            keyTail = bytes(json.get("key_tail"));
            versionField = bytes(json.get("version_field"));
            timestampField = bytes(json.get("timestamp_field"));
            features = each(json.get("features"), Feature::new);
        }
    }

    /** One feature: `id` stands for its definition, so that state is never taken for that of another one. */
    static final class Feature implements Serializable {
        final long id;
        final String name;
        final byte[] field;
        final int column;
        final Aggregate<Object> aggregate;

        @SuppressWarnings("unchecked")
        private Feature(JsonNode json) {
            id = Long.parseUnsignedLong(json.get("id").asText(), 16);
            name = json.get("name").asText();
            field = bytes(json.get("field"));
            column = json.get("column").asInt();
            aggregate = (Aggregate<Object>) aggregate(json);
        }
    }

    static Spec parse(String json) {
        try {
            return new Spec(new ObjectMapper().readTree(json));
        } catch (JsonProcessingException error) {
            throw new IllegalArgumentException("the job's description is no JSON", error);
        }
    }

    static Aggregate<?> aggregate(String json) {
        try {
            return aggregate(new ObjectMapper().readTree(json));
        } catch (JsonProcessingException error) {
            throw new IllegalArgumentException("a feature's description is no JSON", error);
        }
    }

    private static Aggregate<?> aggregate(JsonNode json) {
        String function = json.get("function").asText();
        long window = json.get("window_ms").asLong();
        long slide = json.get("slide_ms").asLong();
        int n = json.get("n").asInt();
        double prior = json.get("prior").asDouble();
        double weight = json.get("prior_weight").asDouble();
        switch (function) {
            case "count":
                return new Count(window, slide);
            case "sum":
                return new Sum(window, slide);
            case "mean":
                return new Mean(window, slide);
            case "min":
                return new Min(window, slide);
            case "max":
                return new Max(window, slide);
            case "stddev":
                return new StdDev(window, slide);
            case "rate":
                return new Rate(window, slide, prior, weight);
            case "histogram":
                return new Histogram(window, slide);
            case "count_distinct":
                return new CountDistinct(window, slide);
            case "approx_count_distinct":
                return new ApproxCountDistinct(window, slide);
            case "top_k":
                return new TopK(window, slide, n);
            case "first":
                return new First();
            case "last":
                return new Last(window);
            case "last_n":
                return new LastN(n, window);
            case "last_n_distinct":
                return new LastNDistinct(n, window);
            case "since_last":
                return new SinceLast();
            case "ewma":
                return new Ewma(window);
            case "ewma_mean":
                return new EwmaMean(window);
            case "ewma_rate":
                return new EwmaRate(window, prior, weight);
            case "ewma_vector":
                return new EwmaVector(window, n);
            case "trend":
                return new Trend(slide, window);
            case "session_count":
                return new SessionCount(window);
            case "session_duration":
                return new SessionDuration(window);
            case "session_depth":
                return new SessionDepth(window);
            case "session_items":
                return new SessionItems(window, n);
            default:
                throw new IllegalArgumentException("there is no function " + function);
        }
    }

    private static byte[] bytes(JsonNode base64) {
        return Base64.getDecoder().decode(base64.asText());
    }

    private static <T> List<T> each(JsonNode array, Function<JsonNode, T> make) {
        List<T> made = new ArrayList<>(array.size());
        array.forEach(one -> made.add(make.apply(one)));
        return made;
    }
}
