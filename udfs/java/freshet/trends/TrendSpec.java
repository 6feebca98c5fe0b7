package freshet.trends;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonProcessingException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

/** The job as Python has compiled it from the declared trends; {@code udfs/trend_spec.py} writes the JSON. */
final class TrendSpec implements Serializable {
    final String redisUrl;
    final String writeScript;
    final long keyTtlSeconds;
    final long stateTtlMs;
    final List<RowKind> rows = new ArrayList<>();
    final List<Trend> trends = new ArrayList<>();

    private TrendSpec(JsonNode json) {
        redisUrl = json.get("redis_url").asText();
        writeScript = json.get("write_script").asText();
        keyTtlSeconds = json.get("key_ttl_seconds").asLong();
        stateTtlMs = json.get("state_ttl_ms").asLong();
        json.get("rows").forEach(one -> rows.add(new RowKind(rows.size(), one)));
        json.get("trends").forEach(one -> trends.add(trend(one)));
    }

    private Trend trend(JsonNode json) {
        RowKind first = rows.get(json.get("rows").get(0).asInt());
        String kind = json.get("kind").asText();
        switch (kind) {
            case "pairs":
                return new Pairs(json, first);
            case "together":
                return new Together(json, first, rows.get(json.get("rows").get(1).asInt()));
            case "popular":
                return new Popular(json, first);
            case "first_seen":
                return new FirstSeen(json, first);
            case "sessions":
                return new Sessions(json, first);
            default:
                throw new IllegalArgumentException("there is no kind of trend " + kind);
        }
    }

    static TrendSpec parse(String json) {
        try {
            return new TrendSpec(new ObjectMapper().readTree(json));
        } catch (JsonProcessingException error) {
            throw new IllegalArgumentException("the job's description is no JSON", error);
        }
    }
}
