package freshet.lists;

import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;

/**
 * Metrics that Python tells, as gauges: PyFlink has none in thread mode, and in process mode each costs some microseconds a batch.
 *
 * <p>They come as an object of numbers by name; an object in it is a label, and holds its values with the numbers of each:
 * {@code {"lists_made": 3, "tier": {"light": {"active": 1}}}}.
 */
final class ToldMetrics {
    private final MetricGroup group;
    private final Map<String, Long> values = new ConcurrentHashMap<>(); // a reporter reads them in a thread of its own
    private final Map<String, ToldMetrics> labelled = new HashMap<>();

    ToldMetrics(MetricGroup group) {
        this.group = group;
    }

    /** Takes new values of the metrics; those that are not told stay as they are. */
    void tell(JsonNode told) {
        told.properties().forEach(one -> {
            if (one.getValue().isObject()) {
                one.getValue().properties().forEach(value -> with(one.getKey(), value.getKey()).tell(value.getValue()));
            } else {
                set(one.getKey(), one.getValue().longValue());
            }
        });
    }

    private ToldMetrics with(String label, String value) {
        return labelled.computeIfAbsent(label + "=" + value, key -> new ToldMetrics(group.addGroup(label, value)));
    }

    private void set(String name, long value) {
        if (values.put(name, value) == null) {
            group.gauge(name, (Gauge<Long>) () -> values.get(name));
        }
    }
}
