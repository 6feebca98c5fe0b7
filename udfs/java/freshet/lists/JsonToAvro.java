package freshet.lists;

import freshet.features.Avro;
import java.io.DataOutput;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;

/**
 * Writes JSON objects as Avro records of a schema, behind Confluent's header: a field of the object for each of the schema.
 *
 * <p>It knows what the schema of lists is made of: records, arrays, unions of null and one other type, texts and numbers.
 */
final class JsonToAvro {
    private interface Writer {
        void write(JsonNode value, DataOutput out) throws IOException;
    }

    private final Map<String, Writer> named = new HashMap<>();
    private final Writer writer;
    private final int schemaId;
    private final DataOutputSerializer out = new DataOutputSerializer(8192);

    JsonToAvro(JsonNode schema, int schemaId) {
        this.writer = of(schema);
        this.schemaId = schemaId;
    }

    byte[] record(JsonNode value) throws IOException {
        out.clear();
        Avro.head(out, schemaId);
        writer.write(value, out);
        return out.getCopyOfBuffer();
    }

    private Writer of(JsonNode type) {
        if (type.isArray()) {
            return optional(type);
        }
        if (type.isTextual()) {
            return primitive(type.textValue());
        }
        return switch (type.get("type").asText()) {
            case "record" -> record(type.get("fields"), type.get("name").textValue());
            case "array" -> array(of(type.get("items")));
            default -> of(type.get("type")); // with a logical type, which changes no byte
        };
    }

    private Writer primitive(String name) {
        return switch (name) {
            case "string" -> (value, out) -> Avro.text(out, text(value));
            case "long", "int" -> (value, out) -> Avro.number(out, number(value).longValue());
            case "double" -> (value, out) -> out.writeLong(
                    Long.reverseBytes(Double.doubleToLongBits(number(value).doubleValue())));
            default -> known(name);
        };
    }

    private static String text(JsonNode value) throws IOException {
        if (value == null || !value.isTextual()) {
            throw new IOException("A list has " + value + " where its schema has a text.");
        }
        return value.textValue();
    }

    private static JsonNode number(JsonNode value) throws IOException {
        if (value == null || !value.isNumber()) {
            throw new IOException("A list has " + value + " where its schema has a number.");
        }
        return value;
    }

    private Writer known(String name) {
        Writer writer = named.get(name);
        if (writer == null) {
            throw new IllegalArgumentException("The schema of lists has a type that cannot be written: " + name + ".");
        }
        return writer;
    }

    private Writer record(JsonNode fields, String name) {
        List<String> names = new ArrayList<>();
        List<Writer> writers = new ArrayList<>();
        for (JsonNode field : fields) {
            names.add(field.get("name").textValue());
            writers.add(of(field.get("type")));
        }
        Writer made = (value, out) -> {
            for (int at = 0; at < names.size(); at++) {
                writers.get(at).write(value.get(names.get(at)), out);
            }
        };
        named.put(name, made);
        return made;
    }

    private static Writer array(Writer element) {
        return (value, out) -> {
            if (!value.isEmpty()) {
                Avro.number(out, value.size());
                for (JsonNode one : value) {
                    element.write(one, out);
                }
            }
            Avro.number(out, 0);
        };
    }

    private Writer optional(JsonNode union) {
        if (union.size() != 2 || !union.get(0).asText().equals("null")) {
            throw new IllegalArgumentException("The schema of lists has a union that is not of null and one type: " + union);
        }
        Writer other = of(union.get(1));
        return (value, out) -> {
            boolean isThere = value != null && !value.isNull();
            Avro.number(out, isThere ? 1 : 0);
            if (isThere) {
                other.write(value, out);
            }
        };
    }
}
